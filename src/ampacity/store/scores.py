"""How the forecasts did, in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import numpy as np

from ampacity.console_ports import Score
from ampacity.network import PHASES
from ampacity.ports import Floats
from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import EPOCH, Window

_FLOAT = np.dtype("<f4")


class PostgresScores:
    """The port `ScoreStore` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def scored_days(self) -> Sequence[int]:
        return [r["day"] for r in await self._pool.fetch(sql("scored_days"))]

    async def cycles_of_day(self, day: int) -> Sequence[tuple[int, datetime]]:
        start = EPOCH + timedelta(days=day)
        rows = await self._pool.fetch(sql("cycles_between"), start, start + timedelta(days=1))
        return [(r["decision_id"], r["made_at"]) for r in rows]

    async def forecast_blocks(self, decision_id: int) -> AsyncIterator[tuple[int, Window, tuple[float, ...], Floats]]:
        async with self._pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(sql("kept_forecast_blocks"), decision_id, prefetch=4):
                shape = (len(row["levels"]), row["subjects"], PHASES, row["quarters"])
                load_w = np.frombuffer(row["load_w"], _FLOAT).reshape(shape)
                yield row["first_no"], Window(row["first_quarter"], row["quarters"]), tuple(row["levels"]), load_w

    async def keep_scores(self, scores: Sequence[Score]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for s in scores:
                figures = np.stack([s.values, s.exceeded, s.error_w, s.margin_w]).astype(_FLOAT).tobytes()
                await connection.execute(sql("keep_score"), s.day, s.lead_h, s.first_no, len(s.values), figures)
