"""How fetching of weather goes."""

from collections.abc import Sequence
from datetime import datetime

from ampacity.ports import WeatherFetch
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class WeatherFetches:
    """The port `FetchLog` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, source: str, now: datetime, none_since: datetime) -> bool:
        return await self._pool.fetchval(sql("claim_weather_fetch"), source, now, none_since) is not None

    async def fetched(self, source: str, at: datetime, values_added: int) -> None:
        await self._pool.execute(sql("weather_fetched"), source, at, values_added)

    async def failed(self, source: str, failure: str) -> None:
        await self._pool.execute(sql("weather_fetch_failed"), source, failure)

    async def all(self) -> Sequence[WeatherFetch]:
        return [WeatherFetch(**dict(row)) for row in await self._pool.fetch(sql("weather_fetches"))]
