"""What a cycle forecasts rests on stored bases: it does not depend on which server runs it, nor since when."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from ampacity.errors import NotReady
from ampacity.forecasting import ForecastSettings, load_model
from ampacity.intake import WeatherTable
from ampacity.operations.bases import Bases, period_of
from ampacity.operations.daily_bases import model_state
from ampacity.operations.forecast import fitted
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.prepare_bases import prepare_bases
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.operations.take_in import take_in
from ampacity.ports import KeptModel
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import DAYS, START, forecasts_of

AT = START + timedelta(days=DAYS)
QUARTER = timedelta(minutes=15)
SETTINGS = {"forecast": ForecastSettings(), "cycle": CycleSettings()}


def weather(issued_at, temperature_c: float) -> WeatherTable:
    """Observed over the history, and forecast for three days ahead."""
    hours = np.arange((DAYS + 3) * 24 + 1)
    valid_at = np.datetime64(START.replace(tzinfo=None), "s") + hours * np.timedelta64(3600, "s")
    at, issued = (np.datetime64(moment.replace(tzinfo=None), "s") for moment in (AT, issued_at))
    rows = np.flatnonzero((valid_at > at) | (issued_at <= AT))
    swing = 3 * np.sin(hours / 24 * 2 * np.pi) + np.random.default_rng(3).normal(0, 2, len(hours))
    return WeatherTable(
        available_at=np.where(valid_at <= at, valid_at, issued)[rows],
        valid_at=valid_at[rows],
        latitude=np.full(len(rows), 52.0),
        longitude=np.full(len(rows), 5.0),
        temperature_c=(np.where(valid_at <= at, 8.0, temperature_c) + swing)[rows],
        global_radiation_w_m2=(np.maximum(0, -np.cos(hours / 24 * 2 * np.pi)) * 600)[rows],
        wind_speed_m_s=(4.0 + swing / 2)[rows],
    )


async def take_in_weather(grid, rows):
    assert await grid.take_in_weather(rows) > 0


async def forecast_at(grid, cycles, at, bases):
    plan = await make_plan(at, grid=grid, cycles=cycles, **SETTINGS)
    found = forecasts_of(plan, grid=grid, cycles=cycles, bases=bases)
    return np.concatenate([block.forecast.load_w async for block in found], axis=1)


@pytest.fixture
async def ports(pool, given):
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    await take_in(replace(given, weather=weather(AT - timedelta(hours=1), 8.0)), grid=grid, now=AT)
    return grid, cycles


async def test_a_base_without_an_outline_of_its_model_is_made_anew(ports, pool):
    grid, cycles = ports
    before = await forecast_at(grid, cycles, AT, Bases())
    await pool.execute("update forecast_base set outline = null")  # as a version before it wrote them

    kept = Bases()
    after = await forecast_at(grid, cycles, AT + QUARTER, kept)

    assert kept.made == 1
    assert after.shape == before.shape


async def test_a_restarted_server_forecasts_what_one_that_ran_on_does_in_spite_of_newer_inputs(ports):
    grid, cycles = ports
    running = Bases()
    await forecast_at(grid, cycles, AT, running)
    newer = AT + 2 * QUARTER
    await take_in_weather(grid, weather(newer, 16.0))
    yesterday = Window(quarter_at(AT) - 8, 4)
    await grid.measure("element", 0, yesterday, np.full((3, 3, 4), 500, np.float32), newer)
    news = Window(quarter_at(AT), 3)
    await grid.measure("element", 0, news, np.full((3, 3, 3), 9_000, np.float32), AT + 3 * QUARTER)

    of_the_running = await forecast_at(grid, cycles, AT + 3 * QUARTER, running)
    of_the_restarted = await forecast_at(grid, cycles, AT + 3 * QUARTER, Bases())

    assert running.used == 1
    np.testing.assert_array_equal(of_the_running, of_the_restarted)
    next_mark = AT + 4 * QUARTER
    of_the_running, of_the_restarted = [await forecast_at(grid, cycles, next_mark, b) for b in (running, Bases())]
    assert running.made == 2
    np.testing.assert_array_equal(of_the_running, of_the_restarted)


async def test_newer_weather_and_late_values_count_from_the_next_mark_on(ports):
    grid, cycles = ports
    bases = Bases()
    await forecast_at(grid, cycles, AT, bases)
    before = await forecast_at(grid, cycles, AT + 3 * QUARTER, bases)
    await take_in_weather(grid, weather(AT + QUARTER, 16.0))

    same = await forecast_at(grid, cycles, AT + 3 * QUARTER, bases)
    after = await forecast_at(grid, cycles, AT + 4 * QUARTER, bases)

    np.testing.assert_array_equal(before, same)
    assert bases.made == 2
    assert np.abs(after[..., :-1] - same[..., 1:]).max() > 10


async def test_the_bases_of_the_next_hours_are_made_before_they_are_needed(ports):
    grid, cycles = ports
    bases = Bases()
    await forecast_at(grid, cycles, AT, bases)
    assert await prepare_bases(AT, grid=grid, cycles=cycles, bases=bases, **SETTINGS) == 0

    last = AT + 3 * QUARTER
    assert await prepare_bases(last, grid=grid, cycles=cycles, bases=bases, **SETTINGS) == 3
    assert await prepare_bases(last, grid=grid, cycles=cycles, bases=bases, **SETTINGS) == 0
    made = bases.made
    prepared = await forecast_at(grid, cycles, AT + 4 * QUARTER, bases)

    assert bases.made == made
    np.testing.assert_array_equal(prepared, await forecast_at(grid, cycles, AT + 4 * QUARTER, Bases()))


async def test_two_servers_that_make_a_base_at_the_same_time_use_one(ports):
    grid, cycles = ports
    await forecast_at(grid, cycles, AT, Bases())
    at = AT + 5 * QUARTER

    one, other = await asyncio.gather(*(forecast_at(grid, cycles, at, Bases()) for _ in range(2)))

    np.testing.assert_array_equal(one, other)
    plan = await make_plan(at, grid=grid, cycles=cycles, **SETTINGS)
    period = period_of(plan.origin, 0, 0)
    assert period == Window(quarter_at(AT) + 4, 20)


async def test_a_base_and_the_model_that_made_it_belong_together_whatever_another_server_fitted(ports):
    grid, cycles = ports
    before = await forecast_at(grid, cycles, AT, Bases())
    plan = await make_plan(AT, grid=grid, cycles=cycles, **SETTINGS)
    block = range(len(plan.network.elements))
    week = Window(quarter_at(AT) - 7 * 96, 7 * 96)
    settled, _ = await Reader(plan, grid, has_use=False).start(block, 7)
    of_a_week = fitted(plan, block, settled, week, None).state

    assert not await cycles.keep_model(0, len(block), AT, AT, of_a_week)

    assert len(load_model(of_a_week).element) == 0
    np.testing.assert_array_equal(await forecast_at(grid, cycles, AT, Bases()), before)


@pytest.mark.parametrize("delay", [0, 2, 30, 120])
def test_every_quarter_of_a_day_lies_in_one_period(delay):
    day = 20_000 * 96
    periods = {(period_of(q, 0, delay).first, period_of(q, 0, delay).end) for q in range(day, day + 96)}
    ends = sorted(periods)

    assert ends[0][0] == day
    assert ends[-1][1] == day + 96
    assert all(end == start for (_, end), (start, _) in pairwise(ends))


async def test_a_grid_that_changed_is_read_again(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    before = await grid.network()
    assert await grid.network() is before

    await pool.execute(
        "insert into element_version (element_no, version, kind, parent_no, nominal_voltage_v, rated_current_a, "
        "phases, name) select element_no, version + 1, kind, parent_no, nominal_voltage_v, 60, phases, name "
        "from element_version where element_no = 1"
    )

    assert (await grid.network()).rated_current_a[1] == 60


async def test_a_model_that_is_kept_no_more_is_told_with_its_elements_and_its_time(ports):
    grid, cycles = ports
    await forecast_at(grid, cycles, AT, Bases())
    before = AT - timedelta(days=1)

    with pytest.raises(NotReady, match="model of elements 0 to 2 of 2026-02-01 00:00 UTC is kept no more"):
        await model_state(cycles, range(3), KeptModel(elements=3, made_at=before, fitted_at=before))
