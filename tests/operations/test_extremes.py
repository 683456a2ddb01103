"""A day's fallbacks rest on the worst loads that were kept the day before, and on what came since."""

from datetime import timedelta

import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction
from ampacity.operations.bases import Bases
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.learn import learn
from ampacity.operations.prepare_bases import prepare_bases
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import DAYS, ELEMENTS, START, forecasts_of

AT = START + timedelta(days=DAYS)
TOMORROW = AT + timedelta(days=1)
SETTINGS = {"forecast": ForecastSettings(), "cycle": CycleSettings()}


@pytest.fixture
async def stores(pool, given):
    """After a cycle that fitted the models."""
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    await take_in(given, grid=grid, now=AT)
    await fallbacks_at(grid, cycles, AT)
    return grid, cycles


async def fallbacks_at(grid, cycles, at):
    """Headroom under new fallbacks [W]; import and export (2, E, 3, hours)."""
    plan = await make_plan(at, grid=grid, cycles=cycles, **SETTINGS)
    assert plan.with_fallback  # none was decided yet: these are forecasts, no cycles
    rooms = [block.room.fallback_w async for block in forecasts_of(plan, grid=grid, cycles=cycles)]
    return np.concatenate([np.stack([room[d] for d in Direction]) for room in rooms], axis=1)


async def measured(grid, first, load_w, at):
    """All phases of all elements drew the same in these quarters, as is known at a time."""
    window = Window(quarter_at(first), len(load_w))
    await grid.measure("element", 0, window, np.broadcast_to(np.float32(load_w), (ELEMENTS, 3, len(load_w))), at)


async def test_fallbacks_are_the_same_as_if_all_were_read_again(stores, pool):
    grid, cycles = stores
    before = await fallbacks_at(grid, cycles, AT)
    await measured(grid, AT, np.linspace(-2_000, 11_000, 96), TOMORROW)

    of_the_kept = await fallbacks_at(grid, cycles, TOMORROW)
    await pool.execute("delete from load_extremes")
    of_all = await fallbacks_at(grid, cycles, TOMORROW)

    np.testing.assert_array_equal(of_the_kept, of_all)
    assert (np.nanmin(of_all, axis=-1) < np.nanmin(before, axis=-1)).any()


async def test_what_was_kept_is_not_read_again(stores, pool):
    grid, cycles = stores
    before = await fallbacks_at(grid, cycles, TOMORROW)

    await pool.execute("delete from load_block where first_quarter + quarters <= $1", quarter_at(AT) - 7 * 96)

    np.testing.assert_array_equal(await fallbacks_at(grid, cycles, TOMORROW), before)


async def test_values_that_come_a_day_late_count(stores):
    grid, cycles = stores
    before = await fallbacks_at(grid, cycles, TOMORROW)
    await measured(grid, AT - timedelta(hours=23), [15_000.0], TOMORROW)

    after = await fallbacks_at(grid, cycles, TOMORROW)

    import_w = list(Direction).index(Direction.IMPORT)
    assert (after <= before).all()
    assert (after[import_w].min(axis=-1) < before[import_w].min(axis=-1)).any()


@pytest.mark.parametrize(
    "spoil",
    [
        "update load_extremes set elements = elements + 1",
        "update load_extremes set made_at = made_at - interval '2 days'",
    ],
    ids=["of another size", "too old"],
)
async def test_all_is_read_where_what_was_kept_cannot_be_used(stores, pool, spoil):
    grid, cycles = stores
    before = await fallbacks_at(grid, cycles, TOMORROW)
    await pool.execute(spoil)
    await pool.execute("update load_extremes set packed = 'of no use'")

    np.testing.assert_array_equal(await fallbacks_at(grid, cycles, TOMORROW), before)


async def test_models_that_learn_keep_the_worst_anew_and_old_ones_go(stores, pool):
    grid, cycles = stores
    await measured(grid, AT, [12_000.0] * 96, TOMORROW)
    for day in range(4):
        assert await learn(AT + timedelta(days=day), grid=grid, cycles=cycles, **SETTINGS) == (ELEMENTS if day else 0)

    kept = await pool.fetch("select made_at from load_extremes order by made_at")

    assert [row["made_at"] for row in kept] == [AT + timedelta(days=day) for day in (1, 2, 3)]
    at = AT + timedelta(days=4)
    learnt = await fallbacks_at(grid, cycles, at)
    await pool.execute("delete from load_extremes")
    np.testing.assert_array_equal(learnt, await fallbacks_at(grid, cycles, at))


async def test_a_cycle_that_makes_its_base_itself_uses_what_was_kept(stores, pool):
    grid, cycles = stores
    at = TOMORROW + timedelta(hours=1)
    await pool.execute("delete from forecast_base")
    made_here = await fallbacks_at(grid, cycles, at)
    await pool.execute("delete from forecast_base")
    last = at - timedelta(minutes=15)
    assert await prepare_bases(last, grid=grid, cycles=cycles, bases=Bases(), **SETTINGS) == ELEMENTS

    np.testing.assert_array_equal(made_here, await fallbacks_at(grid, cycles, at))
