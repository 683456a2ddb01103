"""Blocks of a cycle that several servers work on, in PostgreSQL: each is taken by one, with a lease."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from ampacity.ports import BlockWork, OfferedCycle
from ampacity.store.pool import Connection, Pool
from ampacity.store.sql import sql


class PostgresSharing:
    """Blocks on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def offer(self, slot: datetime, holder: UUID, plan: bytes, blocks: Sequence[int]) -> None:
        await self._pool.execute(sql("offer_blocks"), slot, holder, plan, list(blocks))

    async def take_own(self, holder: UUID) -> int | None:
        first_no: int | None = await self._pool.fetchval(sql("take_own_block"), holder)
        return first_no

    async def handed_in(self, holder: UUID, most: int) -> list[tuple[int, bytes]]:
        rows = await self._pool.fetch(sql("handed_in_blocks"), holder, most)
        return [(r["first_no"], r["result"]) for r in rows]

    async def left(self, holder: UUID) -> int:
        left: int = await self._pool.fetchval(sql("offered_blocks_left"), holder)
        return left

    async def drop(self, holder: UUID) -> None:
        await self._pool.execute(sql("drop_offered_blocks"), holder)

    async def offered(self, slot: datetime) -> OfferedCycle | None:
        row = await self._pool.fetchrow(sql("offered_cycle"), slot)
        return None if row is None else OfferedCycle(**row)

    async def take(self, holder: UUID, taker: UUID, lease: timedelta) -> int | None:
        first_no: int | None = await self._pool.fetchval(sql("take_block"), holder, taker, lease)
        return first_no

    async def renew(self, holder: UUID, taker: UUID, lease: timedelta) -> None:
        await self._pool.execute(sql("renew_blocks"), holder, taker, lease)

    async def hand_in(self, holder: UUID, taker: UUID, first_no: int, result: bytes) -> bool:
        return await self._pool.fetchval(sql("hand_in_block"), holder, taker, first_no, result) is not None

    async def give_back(self, holder: UUID, taker: UUID) -> None:
        await self._pool.execute(sql("give_back_blocks"), holder, taker)

    @asynccontextmanager
    async def alone(self, work: BlockWork) -> AsyncIterator["PostgresBlockLocks"]:
        async with self._pool.acquire() as connection:
            try:
                yield PostgresBlockLocks(connection, work)
            finally:
                await _free_all(connection)


class PostgresBlockLocks:
    """Advisory locks of one connection: a server that dies lets go of them with it."""

    def __init__(self, connection: Connection, work: BlockWork) -> None:
        self._connection, self._work, self._one_by_one = connection, work, asyncio.Lock()

    async def take(self, first_no: int) -> bool:
        async with self._one_by_one:
            taken: bool = await self._connection.fetchval(sql("take_block_alone"), self._work, first_no)
        return taken

    async def free(self, first_no: int) -> None:
        async with self._one_by_one:
            await self._connection.execute(sql("free_block"), self._work, first_no)


async def _free_all(connection: Connection) -> None:
    """Let go of what a connection still holds; where that cannot be said any more, it ends."""
    try:
        await connection.execute(sql("free_all_blocks"))
    except BaseException:
        connection.terminate()
        raise
