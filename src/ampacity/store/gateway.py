"""Batches of measurements pushed by a gateway: all of one or nothing, once."""

from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Conflict
from ampacity.network import PHASES
from ampacity.store.pool import Pool
from ampacity.store.series import SUBJECTS_PER_BLOCK, write_blocks
from ampacity.store.sql import sql


async def take_batch(
    pool: Pool,
    batch_id: str,
    content_hash: bytes,
    *,
    numbers: NDArray[np.int64],
    quarter: int,
    load_w: NDArray[np.float32],
    known_at: datetime,
) -> bool:
    """Store a quarter's values of some elements, durable when this returns; false: the batch was here before.

    Args:
        numbers: of the elements, none twice, (N,).
        load_w: per phase [W], (N, 3); NaN says nothing.

    Raises:
        Conflict: another batch came with the same id.
    """
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(sql("add_gateway_batch"), batch_id, content_hash) is None:
            if await connection.fetchval(sql("gateway_batch_hash"), batch_id) != content_hash:
                raise Conflict(f"batch {batch_id} came before with other content")
            return False
        await write_blocks(connection, "element", _blocks(numbers, quarter, load_w), known_at)
        return True


def _blocks(
    numbers: NDArray[np.int64], quarter: int, load_w: NDArray[np.float32]
) -> list[tuple[int, int, NDArray[np.float32]]]:
    """The values in blocks of neighbours, NaN for those of whom nothing is said."""
    order = np.argsort(numbers, kind="stable")
    numbers, load_w = numbers[order], load_w[order]
    starts = np.flatnonzero(np.diff(numbers // SUBJECTS_PER_BLOCK, prepend=-1)).tolist()
    found = []
    for start, stop in pairwise([*starts, len(numbers)]):
        first = int(numbers[start])
        values = np.full((int(numbers[stop - 1]) - first + 1, PHASES, 1), np.nan, np.float32)
        values[numbers[start:stop] - first, :, 0] = load_w[start:stop]
        found.append((first, quarter, values))
    return found
