"""Stored extremes of loads."""

from collections.abc import Mapping
from datetime import datetime

from ampacity.ports import KeptExtremes
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class PostgresExtremes:
    """Extremes on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def newest(self, at: datetime) -> Mapping[int, KeptExtremes]:
        rows = await self._pool.fetch(sql("newest_extremes"), at)
        return {r["first_no"]: KeptExtremes(elements=r["elements"], made_at=r["made_at"]) for r in rows}

    async def packed(self, first_no: int, made_at: datetime) -> bytes:
        packed: bytes = await self._pool.fetchval(sql("packed_extremes"), first_no, made_at)
        return packed

    async def keep(self, first_no: int, elements: int, made_at: datetime, packed: bytes) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("add_extremes"), first_no, elements, made_at, packed)
            await connection.execute(sql("drop_old_extremes"), first_no, made_at)
