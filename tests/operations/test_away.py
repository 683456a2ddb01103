"""Whose provider is not connected is planned with its fallback, and the rest is open to others."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import settings as effort
from hypothesis import strategies as st

from ampacity.allocation import element_load_w
from ampacity.console.group import explain as in_the_console
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import AWAY
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.decide import decide
from ampacity.operations.emergency import impose
from ampacity.operations.explain import explain_group
from ampacity.operations.group_view import group_view
from ampacity.operations.lookout import Lookout
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.operations.shares import Before, Outlook
from ampacity.operations.take_in import take_in
from ampacity.ports import AwayGroups, Held, Steps
from ampacity.store.console import PostgresViews
from ampacity.store.peers import PeerStore
from ampacity.store.records import PostgresRecords
from tests.operations.conftest import small_network
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, ForecastSettings
from tests.peers.world import put_through

QUARTER = timedelta(minutes=15)
CONSUMPTION, FALLBACK = ForecastKind.CONSUMPTION, ForecastKind.FALLBACK_CONSUMPTION


@pytest.fixture
async def bench(pool, given) -> Bench:
    """A tight cable that two providers share, as peers; nothing was decided yet."""
    made = Bench(pool)
    made.on = CyclePorts(
        grid=made.on.grid, cycles=made.on.cycles, requests=made.on.requests, peers=PeerStore(pool), usage=made.on.usage
    )
    await take_in(given, grid=made.on.grid, now=AT)
    return made


async def cycle(bench: Bench, at=AT) -> dict:
    record = await run_cycle(at, ports=bench.on, forecast=ForecastSettings(), cycle=CycleSettings())
    return {"record": record, **await bench.on.cycles.newest_capacities(3, at)}


async def session(bench: Bench, provider_id: str, state: str, **columns) -> None:
    await bench.pool.execute(
        "delete from peer p using provider v where v.provider_no = p.provider_no and v.provider_id = $1", provider_id
    )
    await put_through(bench.pool, provider_id, "http://127.0.0.1:9", state=state, **columns)


async def say_all_was_sent(bench: Bench) -> None:
    await bench.pool.execute("update outbound_forecast set sent_at = now() where sent_at is null")


async def both_connected(bench: Bench) -> dict:
    """Both were connected for a cycle and have got all forecasts of it."""
    wall = await bench.pool.fetchval("select now()")
    await session(bench, "north", "connected", connected_at=wall)
    await session(bench, "harbour", "connected", connected_at=wall)
    made = await cycle(bench)
    await say_all_was_sent(bench)
    return made


async def fall_silent(bench: Bench, provider_id: str, ago: timedelta = timedelta(minutes=2)) -> None:
    await bench.pool.execute(
        "update peer p"
        " set state = 'offline', state_since = now() - $2::interval, offline_mode_at = now() - $2::interval"
        " from provider v where v.provider_no = p.provider_no and v.provider_id = $1",
        provider_id, ago,
    )  # fmt: skip


async def assert_all_replay(bench: Bench) -> None:
    for row in await bench.pool.fetch("select decision_id from decision order by 1"):
        replayed = await replay(row["decision_id"], PostgresRecords(bench.pool))
        assert replayed.is_equal, replayed.differences
    assert await PostgresRecords(bench.pool).broken_links() == []


def hourly(table, at) -> np.ndarray:
    """A table of hours in quarters from a moment on."""
    first = int(at.timestamp()) // 900
    return np.repeat(table.capacity_w, table.steps.quarters, axis=1)[:, first - table.steps.first :]


async def test_who_never_connected_is_planned_with_the_newest_fallback(bench):
    await session(bench, "harbour", "connected", connected_at=await bench.pool.fetchval("select now()"))
    await bench.pool.execute("insert into peer (provider_no, state, state_since) values (0, 'invited', now())")

    made = await cycle(bench)

    told_w, fallback_w = made[CONSUMPTION].capacity_w, hourly(made[FALLBACK], AT)
    np.testing.assert_array_equal(told_w[NORTH], fallback_w[NORTH, :120])
    assert (told_w[NORTH] <= 6_000).all()
    assert (told_w[HARBOUR] > 20_000).all()
    assert (made[CONSUMPTION].bound_by[NORTH] == AWAY).all()
    assert made["record"].summary["away"] == {"groups": 2, "providers": ["north"]}
    await assert_all_replay(bench)


async def test_a_provider_without_a_session_beside_a_peer_counts_as_never_connected(bench):
    await session(bench, "harbour", "connected", connected_at=await bench.pool.fetchval("select now()"))

    made = await cycle(bench)

    assert (made[CONSUMPTION].bound_by[NORTH] == AWAY).all()


async def test_while_nobody_was_ever_enrolled_all_are_planned_as_connected(bench):
    made = await cycle(bench)

    assert made["record"].summary["away"] == {"groups": 0, "providers": []}
    assert (made[CONSUMPTION].capacity_w[NORTH] > 10_000).all()


async def test_who_fell_silent_is_planned_with_the_fallback_that_it_was_sent(bench):
    before = await both_connected(bench)
    await fall_silent(bench, "north")

    made = await cycle(bench, AT + QUARTER)

    sent_w = hourly(before[FALLBACK], AT + QUARTER)
    told_w = made[CONSUMPTION].capacity_w
    assert before[CONSUMPTION].capacity_w[NORTH].min() > sent_w[NORTH].max() + 1000
    np.testing.assert_array_equal(told_w[NORTH, :4], sent_w[NORTH, :4])
    assert (told_w[HARBOUR, 2:4] > before[CONSUMPTION].capacity_w[HARBOUR, 3:5] + 1000).all()
    assert (told_w[NORTH, 4:100] > sent_w[NORTH, 4:100] + 1000).all()  # it may be back by then
    await assert_all_replay(bench)


async def test_who_is_gone_for_long_is_taken_to_stay_away_as_long_again(bench):
    await both_connected(bench)
    await fall_silent(bench, "north", timedelta(hours=5))

    made = await cycle(bench, AT + QUARTER)

    is_away = made[CONSUMPTION].bound_by[NORTH] == AWAY
    assert is_away[:20].all()
    assert not is_away[20:].any()


async def test_until_its_own_word_runs_out_it_may_follow_what_it_was_sent_last(bench):
    before = await both_connected(bench)
    await bench.pool.execute(
        "update peer set state = 'handshaking', offline_mode_at = now() + interval '40 minutes' where provider_no = 0"
    )

    made = await cycle(bench, AT + QUARTER)

    told_w, sent_w = made[CONSUMPTION].capacity_w[NORTH], before[CONSUMPTION].capacity_w[NORTH]
    np.testing.assert_array_equal(told_w[:4], sent_w[1:5])
    await bench.pool.execute("update peer set offline_mode_at = now() + interval '4 minutes' where provider_no = 0")
    made = await cycle(bench, AT + 2 * QUARTER)
    told_w = made[CONSUMPTION].capacity_w[NORTH]
    np.testing.assert_array_equal(told_w[:2], sent_w[2:4])
    assert (told_w[2:4] <= 6_000).all()
    await assert_all_replay(bench)


@pytest.mark.parametrize(("attempts", "holds_w"), [(0, 6_000), (1, 9_000)])
async def test_a_fallback_that_was_on_its_way_may_have_arrived(bench, given, attempts, holds_w):
    before = await both_connected(bench)
    assert (before[FALLBACK].capacity_w[NORTH] == 6_000).all()
    firmer = [replace(g, firm_import_w=9_000.0) for g in given.network.groups]
    network = Network.of(given.network.elements, firmer, given.network.providers)
    await take_in(replace(given, network=network), grid=bench.on.grid, now=AT)
    next_day = await cycle(bench, AT + timedelta(days=1))
    assert (next_day[FALLBACK].capacity_w[NORTH] == 9_000).all()
    await bench.pool.execute("update outbound_forecast set attempts = $1 where sent_at is null", attempts)
    await fall_silent(bench, "north")

    made = await cycle(bench, AT + timedelta(days=1) + QUARTER)

    assert (made[CONSUMPTION].capacity_w[NORTH, :4] == holds_w).all()


async def test_on_its_return_it_has_its_share_again_with_the_next_cycle(bench):
    before = await both_connected(bench)
    await fall_silent(bench, "north", timedelta(hours=40))
    await cycle(bench, AT + QUARTER)
    await bench.pool.execute("update peer set state = 'connected', offline_mode_at = null where provider_no = 0")

    made = await cycle(bench, AT + 2 * QUARTER)

    told_w = made[CONSUMPTION].capacity_w
    assert (told_w[NORTH, :90] > 0.9 * before[CONSUMPTION].capacity_w[NORTH, 2:92]).all()
    assert not (made[CONSUMPTION].bound_by == AWAY).any()
    assert made["record"].summary["away"]["groups"] == 0
    await assert_all_replay(bench)


async def test_in_an_emergency_the_others_are_lowered_by_what_it_draws(bench):
    await both_connected(bench)
    await fall_silent(bench, "north")
    at = AT + QUARTER
    before_w = (await cycle(bench, at))[CONSUMPTION].capacity_w

    await impose(
        "c1", 24_000.0, at + timedelta(hours=2), "a hot joint", now=at, power_factor=0.95, grid=bench.on.grid,
        requests=bench.on.requests,
    )  # fmt: skip

    after_w = (await bench.on.cycles.newest_capacities(3, at))[CONSUMPTION].capacity_w
    np.testing.assert_array_equal(after_w[NORTH, :4], before_w[NORTH, :4])
    assert (after_w[NORTH, :4] == 6_000).all()
    assert (after_w[HARBOUR, :4] < before_w[HARBOUR, :4] - 1000).all()
    assert (after_w[[NORTH, HARBOUR], :4].sum(axis=0) <= 24_000).all()
    assert (after_w[NORTH, 4:8] < before_w[NORTH, 4:8] - 1000).all()  # back by then, it is lowered as all are
    await assert_all_replay(bench)


async def test_why_is_told_to_provider_and_operator(bench):
    await both_connected(bench)
    await fall_silent(bench, "north")
    at = AT + QUARTER
    await cycle(bench, at)

    blocks = await explain_group(
        "north-c1", at, Direction.IMPORT, grid=bench.on.grid, records=PostgresRecords(bench.pool)
    )
    views = PostgresViews(bench.pool)
    situation = await Lookout(views, bench.on.grid, 0.95).situation(at)
    view = await group_view(situation, NORTH, views=views, grid=bench.on.grid)

    assert "what your fallback lets you draw while you are not connected" in blocks[0].words
    assert "not connected" not in blocks[-1].words
    said = in_the_console(situation, NORTH, view, CONSUMPTION, view.now_quarter)
    assert said is not None
    assert "what its fallback lets it draw while its provider is not connected" in said


async def test_a_changed_record_of_who_was_away_is_found(bench):
    await both_connected(bench)
    await fall_silent(bench, "north")
    await cycle(bench, AT + QUARTER)

    await bench.pool.execute("update decision_away set quarters = '{8,8}'")

    assert [b.content_changed for b in await PostgresRecords(bench.pool).broken_links()] == [True]


ROOM = st.floats(-20_000, 60_000, allow_nan=False, width=32)


@effort(max_examples=300, deadline=None)
@given_any(
    room_w=st.lists(ROOM, min_size=9, max_size=9),
    before_w=st.lists(st.floats(0, 40_000, width=32), min_size=3, max_size=3),
    told_w=st.lists(st.floats(0, 15_000, width=32) | st.just(float("nan")), min_size=3, max_size=3),
    is_away=st.lists(st.booleans(), min_size=3, max_size=3),
    granted_w=st.floats(0, 40_000, width=32),
)
def test_what_is_drawn_by_those_away_and_told_to_the_others_never_exceeds_headroom(
    room_w, before_w, told_w, is_away, granted_w
):
    network, quarters = small_network(), 6
    steps = Steps(first=1000, count=quarters)
    room = np.repeat(np.array(room_w, np.float32).reshape(3, 3, 1), quarters, axis=2)
    outlook = Outlook(
        steps=steps, headroom_w=dict.fromkeys(Direction, room),
        pool_w=dict.fromkeys(Direction, np.clip(0.3 * room, 0, None)), median_w=np.zeros_like(room),
        fallback_steps=steps, fallback_headroom_w={}, need_wh=np.zeros(3),
    )  # fmt: skip
    groups = np.flatnonzero(is_away)
    rows_w = np.repeat(np.array(told_w, np.float32)[groups, None], quarters, axis=1)
    away = AwayGroups(groups=groups, quarters=np.full(len(groups), 4), told_w=dict.fromkeys(Direction, rows_w))
    held = Held.nothing(3, quarters)
    held.granted_w[2] = granted_w
    none_away = decide(network, outlook, dict.fromkeys(Direction, held), Before())
    said = none_away.table(CONSUMPTION)
    before_rows = np.repeat(np.minimum(before_w, said.capacity_w[:, 0])[:, None], quarters, axis=1)
    before = Before(capacities={CONSUMPTION: type(said)(
        kind=CONSUMPTION, steps=steps, capacity_w=before_rows.astype(np.float32), bound_by=said.bound_by
    )})  # fmt: skip

    decided = decide(network, outlook, dict.fromkeys(Direction, held), before, away if len(groups) else None)

    capacity_w = decided.table(CONSUMPTION).capacity_w.astype(float)
    firm_w = network.firm_w(Direction.IMPORT)
    drawn_w = np.where(np.isnan(np.array(told_w)), firm_w, np.array(told_w))
    away_w = np.zeros((3, quarters))
    away_w[groups, :4] = drawn_w[groups, None]
    others_w = capacity_w.copy()
    others_w[groups, :4] = 0
    load_away, load_others, load_told = (
        element_load_w(w, network.parent, network.element, network.phase_share.astype(float))
        for w in (away_w, others_w, capacity_w)
    )
    left_w = np.maximum(room - load_away, 0)
    assert (load_others <= left_w + 0.01).all()
    assert (load_told <= np.maximum(room, 0) + 0.01).all()
    assert (capacity_w[groups, :4] <= drawn_w[groups, None] + 0.01).all()
