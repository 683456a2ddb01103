"""A quarter hour is decided once, from what was known, with everything that led to it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest

from ampacity.errors import Conflict, NotReady
from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction, ForecastKind
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.forecast_plan import is_fit_day
from ampacity.operations.learn import learn
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.ports import Steps
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from tests.operations.conftest import DAYS, START, Connected, small_input, small_network

AT = START + timedelta(days=DAYS)


def ports(pool, providers=frozenset({0, 1})) -> CyclePorts:
    return CyclePorts(
        grid=PostgresGrid(pool),
        cycles=PostgresCycles(pool),
        requests=PostgresRequests(pool),
        peers=Connected(providers),
        usage=UsageStore(pool),
    )


async def cycle(on: CyclePorts, at=AT):
    return await run_cycle(at, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())


async def test_no_element_carries_more_than_its_limit(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)

    await cycle(on)

    network = small_network()
    limit_w = network.limit_w(0.95)
    tables = await on.cycles.newest_capacities(3, AT)
    capacity_w = tables[ForecastKind.CONSUMPTION].capacity_w
    drawn_w = network.behind(capacity_w[:, None, :] * network.phase_share[:, :, None])
    median_w = given.measurements.load_w.mean(axis=2, keepdims=True)
    assert capacity_w.shape == (3, 120)
    assert (capacity_w >= 0).all()
    assert (drawn_w.max(axis=2) <= limit_w - median_w[:, :, 0] * 0.3).all()
    assert (tables[ForecastKind.OPTIMUM].capacity_w <= capacity_w + 1e-3).all()


async def test_fallbacks_reach_seven_days_and_stay_within_the_firm_part(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)

    await cycle(on)

    fallback = (await on.cycles.newest_capacities(3, AT))[ForecastKind.FALLBACK_CONSUMPTION]
    assert fallback.steps.count * fallback.steps.quarters >= 7 * 96
    assert (fallback.capacity_w <= 6_000.0).all()
    assert (fallback.capacity_w > 0).any()


async def test_a_slot_is_decided_once(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)

    first = await cycle(on)
    again = await cycle(on, AT + timedelta(minutes=14))

    assert again == first
    assert await pool.fetchval("select count(*) from decision") == 1


async def test_of_many_that_start_a_slot_one_decides_it(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)

    outcomes = await asyncio.gather(*(cycle(on) for _ in range(4)), return_exceptions=True)

    assert await pool.fetchval("select count(*) from decision") == 1
    assert all(isinstance(o, NotReady) or o.decision_id == 1 for o in outcomes)


async def test_who_was_overtaken_writes_nothing(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    slow, quick = uuid4(), uuid4()
    assert await on.cycles.claim_cycle(AT, slow, timedelta(0))
    await asyncio.sleep(0.01)
    assert await on.cycles.claim_cycle(AT, quick, timedelta(minutes=1))

    with pytest.raises(Conflict, match="taken over"):
        async with on.cycles.decide_cycle(AT, slow, AT, {}) as writer:
            await writer.finish({}, {})

    assert await pool.fetchval("select count(*) from decision") == 0


async def test_parts_of_a_decision_that_are_written_side_by_side_all_arrive(pool, given):
    on, holder, steps = ports(pool), uuid4(), Steps(first=0, count=4)
    await take_in(given, grid=on.grid, now=AT)
    assert await on.cycles.claim_cycle(AT, holder, timedelta(minutes=1))
    room_w = {
        d: np.random.default_rng(i).uniform(0, 9e3, (3, 3, 4)).astype(np.float32) for i, d in enumerate(Direction)
    }
    found_w = {name: np.zeros((3, 3, 4), np.float32) for d in Direction for name in (d.value, f"pool_{d.value}")}

    async with on.cycles.decide_cycle(AT, holder, AT, {}) as writer:
        await asyncio.gather(
            *(writer.headroom(d, steps, room_w[d]) for d in Direction),
            *(writer.pool(d, steps, room_w[d] / 2) for d in Direction),
        )
        await asyncio.gather(*(writer.read_headroom(name, np.arange(3), into) for name, into in found_w.items()))

    for d in Direction:
        np.testing.assert_array_equal(found_w[d.value], room_w[d])
        np.testing.assert_array_equal(found_w[f"pool_{d.value}"], room_w[d] / 2)


async def test_a_failed_cycle_leaves_nothing_and_can_be_tried_again(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    await pool.execute("alter table headroom_block add constraint broken check (subjects < 0)")
    with pytest.raises(Exception, match="broken"):
        await cycle(on)
    assert await pool.fetchval("select count(*) from decision") == 0
    await pool.execute("alter table headroom_block drop constraint broken")

    record = await cycle(on)

    assert record.summary["elements"] == 3


async def test_messages_are_written_for_connected_providers_only(pool, given):
    on = ports(pool, frozenset({0}))
    await take_in(given, grid=on.grid, now=AT)

    record = await cycle(on)

    rows = await pool.fetch("select kind, group_no from outbound_forecast")
    assert {r["group_no"] for r in rows} == {0, 2}
    assert len(rows) == record.summary["messages"] == 2 * len(ForecastKind)


async def test_fallbacks_are_made_once_a_day(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)

    await cycle(on)
    second = await cycle(on, AT + timedelta(minutes=15))
    next_day = await cycle(on, AT + timedelta(days=1))

    assert ForecastKind.FALLBACK_CONSUMPTION.value not in second.summary["sent"]
    assert next_day.summary["sent"][ForecastKind.FALLBACK_CONSUMPTION.value] == 3


async def test_models_learn_every_day_and_are_fitted_every_week(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    first = await cycle(on, AT - timedelta(days=8))
    assert is_fit_day(range(3), AT - timedelta(days=1), 7)

    for days in (8, 7, 6, 1):
        at = AT - timedelta(days=days)
        await learn(at, grid=on.grid, cycles=on.cycles, forecast=ForecastSettings(), cycle=CycleSettings())
    second = await cycle(on, AT)

    models = await pool.fetch("select made_at, fitted_at from forecast_model order by made_at")
    assert [(AT - m["made_at"]).days for m in models] == [8, 7, 6, 1]
    assert [(AT - m["fitted_at"]).days for m in models] == [8, 8, 8, 1]
    assert (first.summary["refitted"], second.summary["refitted"]) == (3, 0)


async def test_nothing_that_became_known_later_changes_a_decision(pool, dsn, given):
    on = ports(pool)
    cut = given.measurements.window.count - 96
    known = given.measurements.load_w[:, :, :cut]
    later = np.full_like(given.measurements.load_w, 1.0)
    later[:, :, :cut] = known
    await take_in(replace(given, measurements=replace(given.measurements, load_w=later)), grid=on.grid, now=AT)
    await cycle(on, AT - timedelta(days=1))
    with_future = (await on.cycles.newest_capacities(3, AT))[ForecastKind.CONSUMPTION].capacity_w
    await pool.execute("truncate load_block, cycle, decision, forecast_model cascade")
    await take_in(small_input(DAYS - 1), grid=on.grid, now=AT)

    await cycle(on, AT - timedelta(days=1))

    without = (await on.cycles.newest_capacities(3, AT))[ForecastKind.CONSUMPTION].capacity_w
    assert (with_future == without).all()


async def test_an_empty_grid_is_told_what_to_do(pool):
    with pytest.raises(NotReady, match="import a folder first"):
        await cycle(ports(pool))
