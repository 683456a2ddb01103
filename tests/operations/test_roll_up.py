"""Elements without a meter are forecast from those around them, and say so."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings, ForecastSource
from ampacity.network import Direction
from ampacity.operations import forecast_plan
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from tests.operations.conftest import DAYS, START, Connected, forecasts_of

AT = START + timedelta(days=DAYS)
TRANSFORMER, C1, C2 = range(3)


async def forecast_without(pool, given, unmetered):
    """The three elements' quantiles, sources and fallback headroom, where some of them have no meter."""
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    load_w = given.measurements.load_w.copy()
    load_w[unmetered] = np.nan
    await take_in(replace(given, measurements=replace(given.measurements, load_w=load_w)), grid=grid, now=AT)
    plan = await make_plan(AT, grid=grid, cycles=cycles, forecast=ForecastSettings(), cycle=CycleSettings())
    found = [b async for b in forecasts_of(plan, grid=grid, cycles=cycles)]
    found.sort(key=lambda b: b.elements.start)
    load_w = np.concatenate([b.forecast.load_w for b in found], axis=1)
    fallback_w = np.concatenate([b.room.fallback_w[Direction.IMPORT] for b in found])
    assert [e for b in found for e in b.elements] == [TRANSFORMER, C1, C2]
    return load_w, np.concatenate([b.forecast.source for b in found]), fallback_w, plan


@pytest.mark.parametrize("per_block", [512, 1])
async def test_a_transformer_without_a_meter_is_the_sum_of_its_cables(pool, given, monkeypatch, per_block):
    monkeypatch.setattr(forecast_plan, "ELEMENTS_PER_BLOCK", per_block)

    load_w, source, fallback_w, plan = await forecast_without(pool, given, [TRANSFORMER])

    assert (source[TRANSFORMER] == ForecastSource.SUM).all()
    assert (source[[C1, C2]] == ForecastSource.WEATHER_FREE).all()
    levels = plan.forecast.levels
    median, upper = levels.index(0.5), levels.index(0.99)
    np.testing.assert_allclose(load_w[median, TRANSFORMER], load_w[median, [C1, C2]].sum(axis=0), rtol=1e-4, atol=1)
    margin = load_w[upper] - load_w[median]
    assert (margin[TRANSFORMER] < 0.95 * margin[[C1, C2]].sum(axis=0)).all()  # their noise was made up independent
    assert (margin[TRANSFORMER] > 0.99 * np.hypot(margin[C1], margin[C2])).all()
    taken_w = plan.limit_w[:, :, None] - fallback_w
    np.testing.assert_allclose(taken_w[TRANSFORMER], taken_w[[C1, C2]].sum(axis=0), rtol=1e-4, atol=1)
    assert (np.diff(load_w, axis=0) >= 0).all()


@pytest.mark.parametrize("per_block", [512, 1])
async def test_a_cable_without_a_meter_gets_what_its_transformer_carries_beyond_the_other(
    pool, given, monkeypatch, per_block
):
    monkeypatch.setattr(forecast_plan, "ELEMENTS_PER_BLOCK", per_block)

    load_w, source, _, plan = await forecast_without(pool, given, [C2])

    assert (source[C2] == ForecastSource.SHARE).all()
    levels = plan.forecast.levels
    median, upper = levels.index(0.5), levels.index(0.99)
    np.testing.assert_allclose(load_w[median, C2], load_w[median, TRANSFORMER] - load_w[median, C1], rtol=1e-3, atol=1)
    margin = load_w[upper] - load_w[median]
    assert (margin[C2] > margin[TRANSFORMER]).all()


async def test_what_nothing_around_it_tells_of_stays_unknown(pool, given):
    _, source, _, _ = await forecast_without(pool, given, [TRANSFORMER, C2])

    assert (source[[TRANSFORMER, C2]] == ForecastSource.LIMIT).all()


async def test_a_cycle_gives_capacity_behind_a_transformer_without_a_meter(pool, given):
    on = CyclePorts(
        grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
        peers=Connected(frozenset({0, 1})), usage=UsageStore(pool),
    )  # fmt: skip
    load_w = given.measurements.load_w.copy()
    load_w[TRANSFORMER] = np.nan
    await take_in(replace(given, measurements=replace(given.measurements, load_w=load_w)), grid=on.grid, now=AT)

    record = await run_cycle(AT, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())

    assert record.summary["sources"] == {"sum": 3, "weather_free": 6}
    assert record.summary["allocated_w"] > 0
