"""An import is all or nothing, adds what is new, and keeps what it corrects."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.errors import Unsuitable
from ampacity.network import ElementId
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresGrid
from tests.operations.conftest import DAYS, START

AT = START + timedelta(days=DAYS)


async def test_a_second_import_changes_nothing(pool, given):
    grid = PostgresGrid(pool)
    first = await take_in(given, grid=grid, now=AT)

    second = await take_in(given, grid=grid, now=AT)

    assert first.values_added == given.measurements.load_w.size
    assert second.is_nothing


async def test_what_was_stored_comes_back(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)

    network = await grid.network()
    load_w = await grid.loads("element", range(3), given.measurements.window, AT)

    assert network.elements == given.network.elements
    assert network.groups == given.network.groups
    np.testing.assert_array_equal(load_w, given.measurements.load_w)


async def test_values_are_known_when_their_quarter_has_ended(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)

    load_w = await grid.loads("element", range(1), given.measurements.window, START + timedelta(hours=1))

    assert np.isfinite(load_w[0, 0]).sum() == 4


async def test_a_correction_is_kept_beside_what_it_corrects(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    corrected_w = given.measurements.load_w.copy()
    corrected_w[1, 2, 5] = 77.0

    done = await take_in(
        replace(given, measurements=replace(given.measurements, load_w=corrected_w)), grid=grid, now=AT
    )

    assert (done.values_added, done.values_corrected) == (0, 1)
    window = given.measurements.window
    before = await grid.loads("element", range(3), window, AT - timedelta(seconds=1))
    after = await grid.loads("element", range(3), window, AT)
    assert before[1, 2, 5] == given.measurements.load_w[1, 2, 5]
    assert after[1, 2, 5] == 77.0


async def test_a_changed_rating_is_a_new_version(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    network = given.network
    stronger = replace(network.elements[1], rated_current_a=120.0)
    changed = replace(network, elements=(network.elements[0], stronger, network.elements[2]))

    done = await take_in(replace(given, network=changed), grid=grid, now=AT)

    assert (done.records_added, done.records_changed) == (0, 1)
    assert (await grid.network()).elements[1].rated_current_a == 120.0
    assert await pool.fetchval("select count(*) from element_version where element_no = 1") == 2


async def test_an_import_that_would_break_the_grid_leaves_nothing(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    network = given.network
    ring = replace(network.elements[0], parent_id=ElementId("c1"))
    broken = replace(network, elements=(ring, *network.elements[1:]))

    with pytest.raises(Unsuitable, match="lead back to itself"):
        await take_in(replace(given, network=broken), grid=grid, now=AT)

    assert (await grid.network()).elements == network.elements


async def test_people_can_read_series_in_sql(pool, given):
    await take_in(given, grid=PostgresGrid(pool), now=AT)

    row = await pool.fetchrow(
        "select load_w from load_value where subject = 'element' and subject_no = 2 and phase = 3 and start = $1",
        START + timedelta(hours=5),
    )

    assert np.float32(row["load_w"]) == given.measurements.load_w[2, 2, 20]
