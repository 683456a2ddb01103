"""Partitions of the figures of decisions: begun each week, made ahead, dropped as a whole when they are old."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ampacity.errors import NotReady
from ampacity.store.pool import Pool
from ampacity.store.sql import sql

_LOG = logging.getLogger(__name__)
LARGE_BYTES = 100 * 2**30  # then a partition is not filled up for a week
_TRIES, _AGAIN_S = 60, 2.0  # so long is waited for a moment in which nobody reads or writes figures


@dataclass(frozen=True, kw_only=True)
class OldPartition:
    """A partition all of whose decisions are old: numbers [first_id, behind_id)."""

    part: str
    first_id: int
    behind_id: int


async def begin_period(pool: Pool, made_at: datetime, *, large_bytes: int = LARGE_BYTES) -> None:
    """Have the first cycle of a week, or of a day where the newest partition is large, begin one; two more are there.

    Making one waits for who decides just now; where that takes long, the next cycle makes it.
    """
    async with pool.acquire() as connection:
        await connection.execute(sql("begin_decision_period"), made_at, large_bytes)
        try:
            async with connection.transaction():
                await connection.execute(sql("wait_little_for_locks"))
                await connection.execute(sql("make_decision_partitions"))
                await connection.execute(sql("leave_figures_alone"))
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as busy:
            _LOG.info("the partition for later is made by the next cycle: %s", busy)


async def old_partitions(pool: Pool, before: datetime) -> list[OldPartition]:
    """Partitions of which nothing was decided after a moment, waits to be sent, or still holds; oldest first."""
    return [OldPartition(**row) for row in await pool.fetch(sql("old_decision_partitions"), before)]


async def drop(pool: Pool, old: OldPartition) -> int:
    """Drop a partition with what its decisions rested on; gives how many these were.

    Raises:
        NotReady: figures were read or written all the time.
    """
    for _ in range(_TRIES):
        try:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(sql("wait_least_for_locks"))
                await connection.execute(sql("drop_decision_partition"), old.part)
                for name in ("prune_away", "prune_ledger"):
                    await connection.execute(sql(name), old.first_id, old.behind_id)
                noted = await connection.fetch(sql("note_pruned"), old.first_id, old.behind_id)
                return len(noted)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as busy:
            _LOG.info("partition %s is in use: %s; again in %.0f s", old.part, busy, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)
    raise NotReady(f"the figures of decisions {old.first_id} to {old.behind_id - 1} are in use: try again later")
