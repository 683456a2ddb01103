"""Stored bases of forecasts."""

from collections.abc import Mapping
from datetime import datetime

from ampacity.ports import BaseKey, PackedBase, StoredBase
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class PostgresBases:
    """Bases on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bases(
        self, mark: int, weather: bytes, end_day: int, at: datetime, first_no: int | None = None
    ) -> Mapping[int, StoredBase]:
        rows = await self._pool.fetch(sql("newest_bases"), mark, weather, end_day, at, first_no)
        return {
            r["first_no"]: StoredBase(base_id=r["base_id"], elements=r["elements"], model_made_at=r["model_made_at"])
            for r in rows
        }

    async def base(self, base_id: int) -> PackedBase:
        return PackedBase(**await self._pool.fetchrow(sql("base_state"), base_id))

    async def keep_base(self, key: BaseKey, model_made_at: datetime, packed: PackedBase) -> tuple[StoredBase, bool]:
        which = (key.first_no, key.elements, key.mark, key.end_day, key.weather, key.made_at)
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql("add_base"), *which, model_made_at, packed.daily, packed.outline)
            await connection.execute(sql("drop_old_bases"), key.first_no, key.mark)
        is_this = row is not None
        if row is None:
            row = await self._pool.fetchrow(sql("base_of_another"), *which)
        return StoredBase(**row), is_this
