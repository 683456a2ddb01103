"""Connections come with the grid, are stored, and are forecast from where nothing is measured."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from ampacity.forecasting import ForecastSettings
from ampacity.network import Network
from ampacity.network.connections import parsed_connections
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from tests.operations.conftest import DAYS, START, forecasts_of

AT = START + timedelta(days=DAYS)


async def test_a_new_cable_is_forecast_from_its_connections(pool, given):
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    cable = replace(given.network.elements[2], connections=parsed_connections("household:30;heat_pump:4"))
    network = Network.of((*given.network.elements[:2], cable), given.network.groups, given.network.providers)
    given.measurements.load_w[2] = np.nan
    await take_in(replace(given, network=network), grid=grid, now=AT)

    plan = await make_plan(AT, grid=grid, cycles=cycles, forecast=ForecastSettings(), cycle=CycleSettings())
    (block,) = [b async for b in forecasts_of(plan, grid=grid, cycles=cycles)]

    assert (await grid.network()).elements[2] == cable
    upper_w = block.forecast.at(0.99)[2]
    assert block.forecast.source[2].tolist() == [5, 5, 5]
    assert (upper_w > 30 * 350 / 3).all()
    margin_w = upper_w - block.forecast.at(0.5)[2]
    assert (margin_w <= 1.25 * plan.limit_w[2][:, None] + 1).all()


async def test_connections_that_are_told_later_are_a_change_of_the_grid(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    cable = replace(given.network.elements[2], connections=parsed_connections("commercial:2"))
    network = Network.of((*given.network.elements[:2], cable), given.network.groups, given.network.providers)

    changed = await take_in(replace(given, network=network), grid=grid, now=AT)

    assert changed.records_changed == 1
    assert (await grid.network()).elements[2].connections == cable.connections
