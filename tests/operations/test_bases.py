"""What is kept between cycles saves work and changes nothing."""

from datetime import timedelta

import numpy as np

from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
from ampacity.operations.forecast import forecasts
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.settings import CycleSettings
from ampacity.operations.stages import Stages
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import DAYS, START

AT = START + timedelta(days=DAYS)
LATER = AT + timedelta(minutes=45)


async def forecast_at(grid, cycles, at, bases):
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=ForecastSettings(), cycle=CycleSettings())
    found = forecasts(plan, grid=grid, cycles=cycles, stages=Stages(), bases=bases)
    return np.concatenate([block.forecast.load_w async for block in found], axis=1)


async def test_a_kept_base_gives_the_forecast_of_a_new_one_even_after_late_values(pool, given):
    grid, cycles, kept = PostgresGrid(pool), PostgresCycles(pool), Bases()
    await take_in(given, grid=grid, now=AT)
    await forecast_at(grid, cycles, AT, kept)
    assert kept.used == 0
    news = Window(quarter_at(AT), 3)
    await grid.measure("element", 0, news, np.full((3, 3, 3), 9_000, np.float32), LATER)

    for_the_kept = await forecast_at(grid, cycles, LATER, kept)
    assert kept.used == 1
    assert np.array_equal(for_the_kept, await forecast_at(grid, cycles, LATER, Bases()), equal_nan=True)
    yesterday = Window(quarter_at(AT) - 8, 4)
    await grid.measure("element", 0, yesterday, np.full((3, 3, 4), 500, np.float32), LATER)
    corrected = await forecast_at(grid, cycles, LATER, kept)

    assert kept.used == 1
    assert not np.array_equal(corrected, for_the_kept, equal_nan=True)
    assert np.array_equal(corrected, await forecast_at(grid, cycles, LATER, Bases()), equal_nan=True)


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
