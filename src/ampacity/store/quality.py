"""Forecasts that can be scored, and their scores."""

from collections.abc import AsyncIterator
from datetime import datetime

import numpy as np

from ampacity.forecasting import LoadForecast
from ampacity.forecasting.quality import FIGURES, LEAD_CLASSES, ForecastScore
from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")


class QualityStore:
    """Implements the port of the same purpose in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def unscored_slots(self, since: datetime, before: datetime) -> list[datetime]:
        rows = await self._pool.fetch(sql("unscored_slots"), since, before)
        return [row["slot"] for row in rows]

    async def forecasts_of(self, slot: datetime) -> AsyncIterator[tuple[int, LoadForecast]]:
        async with self._pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(sql("forecasts_of_slot"), slot, prefetch=1):
                shape = (len(row["levels"]), row["subjects"], 3, row["quarters"])
                yield (
                    row["first_no"],
                    LoadForecast(
                        window=Window(row["first_quarter"], row["quarters"]),
                        levels=tuple(round(level, 6) for level in row["levels"]),
                        load_w=np.frombuffer(row["load_w"], _FLOAT).reshape(shape),
                        source=np.frombuffer(row["source"], np.int8).reshape(-1, 3),
                    ),
                )

    async def keep_score(self, slot: datetime, first_no: int, score: ForecastScore) -> None:
        data = score.sums.astype(_FLOAT).tobytes()
        await self._pool.execute(sql("keep_forecast_score"), slot, first_no, score.sums.shape[1], data)

    async def scores(self, since: datetime) -> list[tuple[int, ForecastScore]]:
        rows = await self._pool.fetch(sql("forecast_scores"), since)
        shape = (len(FIGURES), -1, 3, len(LEAD_CLASSES))
        return [
            (row["first_no"], ForecastScore(sums=np.frombuffer(row["figures"], _FLOAT).reshape(shape).astype(float)))
            for row in rows
        ]
