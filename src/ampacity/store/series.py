"""Load series as packed blocks: 256 subjects by one UTC day when imported, one quarter when they come in live."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ampacity.network import PHASES
from ampacity.store.pool import Connection
from ampacity.store.sql import sql
from ampacity.timegrid import QUARTERS_PER_DAY, Window, quarter_at

Loads = NDArray[np.float32]
Subject = Literal["element", "group"]

SUBJECTS_PER_BLOCK = 256
_PACKED = np.dtype("<f4")
_COLUMNS = ["subject", "first_no", "subjects", "first_quarter", "quarters", "available_at", "load_w"]


async def read_load(
    connection: Connection,
    subject: Subject,
    numbers: range,
    window: Window,
    known_at: datetime,
) -> Loads:
    """Mean power as it was known at a moment [W], shape (subjects, 3, T); NaN where there is no value."""
    load_w = np.full((len(numbers), PHASES, window.count), np.nan, np.float32)
    known_until = quarter_at(known_at)
    blocks = connection.cursor(
        sql("load_blocks"), subject, numbers.start, numbers.stop, window.first, window.end, known_at, prefetch=64
    )
    async with connection.transaction():
        async for block in blocks:
            _paste(load_w, numbers.start, window, block, known_until)
    return load_w


async def write_load(
    connection: Connection,
    subject: Subject,
    first_no: int,
    window: Window,
    load_w: Loads,
    available_at: datetime | None,
) -> int:
    """Insert values [W], shape (subjects, 3, T), in blocks; blocks without a value are left out.

    `available_at` None: each value was known when its quarter had ended.  Returns how
    many blocks were written.
    """
    return await write_blocks(connection, subject, _blocks(first_no, window, load_w), available_at)


async def write_blocks(
    connection: Connection,
    subject: Subject,
    blocks: Iterable[tuple[int, int, Loads]],
    available_at: datetime | None,
) -> int:
    """Insert blocks of (number of the first subject, first quarter, values); gives how many."""
    records = [
        (subject, no, values.shape[0], quarter, values.shape[2], available_at, values.astype(_PACKED).tobytes())
        for no, quarter, values in blocks
    ]
    if records:
        starts = [record[3] for record in records]
        await ensure_months(connection, min(starts), max(starts))
        await connection.copy_records_to_table("load_block", records=records, columns=_COLUMNS)
    return len(records)


async def ensure_months(connection: Connection, first_quarter: int, last_quarter: int) -> None:
    """Make the partitions into which blocks that start in these quarters go, where they are not there yet."""
    await connection.execute(sql("ensure_load_partitions"), first_quarter, last_quarter)


async def load_span(connection: Connection, subject: Subject = "element") -> Window | None:
    """From the first quarter with a value to the last one; None where there is none."""
    row = await connection.fetchrow(sql("load_span"), subject)
    return None if row["first"] is None else Window(row["first"], row["behind_last"] - row["first"])


def _blocks(first_no: int, window: Window, load_w: Loads) -> Iterator[tuple[int, int, Loads]]:
    """Cut an array at multiples of 256 subjects and at UTC midnights."""
    for rows in _cuts(first_no, load_w.shape[0], SUBJECTS_PER_BLOCK):
        for columns in _cuts(window.first, window.count, QUARTERS_PER_DAY):
            values = load_w[rows, :, columns]
            if not np.isnan(values).all():
                yield first_no + rows.start, window.first + columns.start, values


def _cuts(first: int, count: int, step: int) -> Iterator[slice]:
    start = 0
    while start < count:
        stop = min(count, start + step - (first + start) % step)
        yield slice(start, stop)
        start = stop


def _paste(into: Loads, first_no: int, window: Window, block: asyncpg.Record, known_until: int) -> None:
    """Lay a block over an array where they meet; a missing value covers nothing."""
    values = np.frombuffer(block["load_w"], _PACKED).reshape(block["subjects"], PHASES, block["quarters"])
    end = block["first_quarter"] + block["quarters"]
    if block["known_when_ended"]:
        end = min(end, known_until)
    rows = _overlap(block["first_no"], block["first_no"] + block["subjects"], first_no, first_no + into.shape[0])
    columns = _overlap(block["first_quarter"], end, window.first, window.end)
    if rows is None or columns is None:
        return
    source, target = values[rows[0], :, columns[0]], into[rows[1], :, columns[1]]
    if np.isnan(source).any():
        np.copyto(target, source, where=~np.isnan(source))
    else:
        target[:] = source


def _overlap(from_start: int, from_stop: int, into_start: int, into_stop: int) -> tuple[slice, slice] | None:
    start, stop = max(from_start, into_start), min(from_stop, into_stop)
    if start >= stop:
        return None
    return slice(start - from_start, stop - from_start), slice(start - into_start, stop - into_start)
