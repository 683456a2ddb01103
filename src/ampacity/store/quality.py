"""Forecasts that can be scored, and their scores."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np

from ampacity.figures import unpacked
from ampacity.forecasting import LoadForecast
from ampacity.forecasting.quality import FIGURES, LEAD_CLASSES, ForecastScore
from ampacity.ports import Floats
from ampacity.store.marked_quarters import unpacked_quarters
from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import Window

Type = np.dtype[Any]

_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")


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
                        load_w=unpacked(row["load_w"], shape),
                        source=np.frombuffer(row["source"], np.int8).reshape(-1, 3),
                        weather_free=unpacked_quarters(row["weather_free"], row["quarters"]),
                    ),
                )

    async def keep_score(self, slot: datetime, first_no: int, score: ForecastScore) -> None:
        total = score.total()
        beyond = np.zeros(0) if score.beyond is None else score.beyond
        beyond_total = np.zeros(0) if total.beyond is None else total.beyond
        await self._pool.execute(
            sql("keep_forecast_score"), slot, first_no, score.sums.shape[1], score.sums.astype(_FLOAT).tobytes(),
            list(score.levels), beyond.astype("u1").tobytes(), total.sums.astype(_DOUBLE).tobytes(),
            beyond_total.astype(_DOUBLE).tobytes(),
        )  # fmt: skip

    async def total_scores(self, since: datetime) -> ForecastScore:
        rows = await self._pool.fetch(sql("total_scores"), since)
        return _added(rows, 1, 1, _DOUBLE, _DOUBLE)

    async def element_scores(self, elements: Sequence[int], since: datetime) -> ForecastScore:
        parts = [
            _added(await self._pool.fetch(sql("element_scores"), since, e), 1, 3, _FLOAT, np.dtype("u1"))
            for e in elements
        ]
        return ForecastScore(
            sums=np.concatenate([p.sums for p in parts], axis=1), levels=parts[0].levels if len(parts) == 1 else (),
            beyond=parts[0].beyond if len(parts) == 1 else None,
        )  # fmt: skip

    async def exceeded(self, elements: Sequence[int], since: datetime) -> dict[int, float]:
        known: dict[int, float] = dict.fromkeys(elements, 0.0)
        above: dict[int, float] = dict.fromkeys(elements, 0.0)
        for row in await self._pool.fetch(sql("exceeded"), since, list(elements)):
            known[row["element_no"]] += float(np.frombuffer(row["quarters"], _FLOAT).sum())
            above[row["element_no"]] += float(np.frombuffer(row["above"], _FLOAT).sum())
        return {e: above[e] / known[e] for e in elements if known[e]}

    async def counts_above(self, since: datetime) -> AsyncIterator[tuple[int, Floats, Floats]]:
        async with self._pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(sql("counts_above"), since, prefetch=64):
                quarters, above = (
                    np.frombuffer(row[name], _FLOAT).reshape(row["elements"], -1).sum(axis=1, dtype=np.float64)
                    for name in ("quarters", "above")
                )
                yield row["first_no"], quarters, above

    async def scores(self, since: datetime) -> list[tuple[int, ForecastScore]]:
        rows = await self._pool.fetch(sql("forecast_scores"), since)
        shape = (len(FIGURES), -1, 3, len(LEAD_CLASSES))
        return [
            (row["first_no"], ForecastScore(sums=np.frombuffer(row["figures"], _FLOAT).reshape(shape).astype(float)))
            for row in rows
        ]


def _added(rows: Sequence[asyncpg.Record], elements: int, phases: int, figures: Type, counts: Type) -> ForecastScore:
    """Scores added up; those that counted other levels, or none, count for the figures alone."""
    shape = (elements, phases, len(LEAD_CLASSES))
    sums = np.zeros((len(FIGURES), *shape))
    levels = max((tuple(r["levels"]) for r in rows if r["levels"]), key=len, default=())
    beyond, counted = np.zeros((len(levels), *shape)), np.zeros(shape)
    for row in rows:
        part = np.frombuffer(row["figures"], figures).reshape(sums.shape)
        sums += part
        if levels and tuple(row["levels"] or ()) == levels:
            beyond += np.frombuffer(row["beyond"], counts).reshape(beyond.shape)
            counted += part[0]
    return ForecastScore(
        sums=sums, levels=tuple(round(level, 6) for level in levels), beyond=beyond if levels else None,
        counted=counted if levels else None,
    )  # fmt: skip
