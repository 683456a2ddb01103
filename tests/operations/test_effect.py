"""Who holds less or more because of one decision, before and after it is taken."""

from datetime import timedelta

import pytest

from ampacity.operations.effect import effect_of, foresee_request, rooms_above
from ampacity.operations.replay import recompute
from ampacity.ports import WaitingRequest
from ampacity.store.console import PostgresViews
from ampacity.store.records import PostgresRecords
from tests.operations.conftest import small_network
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

LATER = AT + timedelta(minutes=1)


@pytest.fixture
async def borrowed(bench) -> Bench:  # noqa: F811
    """NORTH gave its capacity back, HARBOUR has it now."""
    before_w = await bench.capacity_w()
    await bench.ask(NORTH, 0, name="back")
    await bench.decide()
    await bench.ask(HARBOUR, float(before_w[:2, :4].sum(axis=0).min()), name="more")
    await bench.decide()
    return bench


async def effects_of_newest(pool):
    records = PostgresRecords(pool)
    [newest] = await records.newest(1)
    return await effect_of(await records.decision(newest), small_network(), records=records, views=PostgresViews(pool))


async def waiting_request(pool, name: str) -> WaitingRequest:
    number = await pool.fetchval("select request_no from capacity_request where request_id = $1", name)
    return (await PostgresRecords(pool).requests([number]))[0]


async def test_who_asked_and_who_had_to_give_way_are_told_with_how_much(borrowed):
    before_w = await borrowed.capacity_w()
    await borrowed.ask(NORTH, 6_000, name="again")
    await borrowed.decide()
    after_w = await borrowed.capacity_w()

    effects = await effects_of_newest(borrowed.pool)

    assert [e.group_no for e in effects] == [HARBOUR, NORTH]
    lost_wh = float((before_w - after_w)[HARBOUR].clip(min=0).sum() / 4)
    assert lost_wh > 100
    assert effects[0].less_wh == pytest.approx(lost_wh)
    assert effects[0].more_wh == 0
    assert effects[1].more_wh == pytest.approx(float((after_w - before_w)[NORTH].sum() / 4))
    assert effects[1].most_w == pytest.approx(float((after_w - before_w)[NORTH].max()))


async def test_what_is_foreseen_of_a_waiting_request_is_what_then_happens(borrowed):
    await borrowed.ask(NORTH, 6_000, name="again")
    held_w = await borrowed.capacity_w()

    foreseen = await foresee_request(
        await waiting_request(borrowed.pool, "again"), AT, grid=borrowed.on.grid, requests=borrowed.on.requests
    )
    assert (await borrowed.capacity_w() == held_w).all()
    await borrowed.decide()

    assert foreseen is not None
    assert foreseen[1] == await effects_of_newest(borrowed.pool)


async def test_the_elements_above_carry_what_is_given_out_after_it(borrowed):
    await borrowed.ask(NORTH, 6_000, name="again")
    await borrowed.decide()
    [newest] = await PostgresRecords(borrowed.pool).newest(1)

    found = await recompute(newest, PostgresRecords(borrowed.pool))
    rooms = rooms_above(found.batch, NORTH)

    assert [r.element_id for r in rooms] == ["c1", "t"]
    assert all(r.given_after_w <= r.headroom_w + 1 for r in rooms)
    capacity_w = await borrowed.capacity_w()
    column = rooms[0].quarter - found.batch.situation.window.first
    assert column < 4
    assert rooms[0].given_after_w == pytest.approx(capacity_w[[NORTH, HARBOUR], column].sum() / 3, abs=1)
