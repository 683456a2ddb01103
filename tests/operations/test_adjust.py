"""A request is decided once, within headroom and contract, and answered in any case."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import numpy as np
import pytest

from ampacity.errors import Conflict
from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.adjust import decide_round, decide_waiting
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.records import PostgresRecords
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.timegrid import quarter_at
from tests.operations.conftest import DAYS, START, Connected, small_network

AT = START + timedelta(days=DAYS)
NORTH, HARBOUR = 0, 1


class Bench:
    """A decided quarter hour on a tight cable, with requests to come."""

    def __init__(self, pool):
        self.pool = pool
        self.on = CyclePorts(
            grid=PostgresGrid(pool),
            cycles=PostgresCycles(pool),
            requests=PostgresRequests(pool),
            peers=Connected(frozenset({0, 1})),
            usage=UsageStore(pool),
        )

    async def cycle(self, at=AT):
        await run_cycle(at, ports=self.on, forecast=ForecastSettings(), cycle=CycleSettings())

    async def ask(self, group, wanted_w, at=AT, quarters=4, kind=ForecastKind.CONSUMPTION, name=None, start=None):
        name = name or f"r{group}-{wanted_w}-{at:%H%M}"
        wanted = np.full(quarters, np.floor(wanted_w), "<f4").tobytes()
        await self.pool.execute(
            "insert into capacity_request (provider_no, group_no, kind, request_id, content_hash, received_at,"
            " first_quarter, quarters, wanted_w) values ($1, $2, $3, $4, '', $5, $6, $7, $8)",
            1 if group == HARBOUR else 0, group, kind.value, name, at, quarter_at(start or at), quarters, wanted,
        )  # fmt: skip

    async def decide(self, at=AT, rules=None):
        return await decide_waiting(at, grid=self.on.grid, requests=self.on.requests, rules=rules)

    async def capacity_w(self, at=AT):
        return (await self.on.cycles.newest_capacities(3, at))[ForecastKind.CONSUMPTION].capacity_w

    async def story(self):
        rows = await self.pool.fetch(
            "select r.group_no, e.step, e.reason"
            " from request_event e join capacity_request r using (request_no) order by r.group_no, e.event_no"
        )
        return [(r["group_no"], r["step"], r["reason"]) for r in rows]

    async def headroom_w(self, at=AT):
        async with self.on.requests.gate() as gate:
            _, headroom_w = await gate.headroom(Direction.IMPORT, at)
            return headroom_w


@pytest.fixture
async def bench(pool, given):
    return await on_a_tight_cable(pool, given)


async def on_a_tight_cable(pool, given) -> Bench:
    bench = Bench(pool)
    network = given.network
    tight = replace(network.elements[1], rated_current_a=60.0)
    given = replace(given, network=replace(network, elements=(network.elements[0], tight, network.elements[2])))
    await take_in(given, grid=bench.on.grid, now=AT)
    await bench.cycle()
    return bench


async def test_more_than_the_cable_carries_is_refused_with_the_element_that_binds(bench):
    before_w = await bench.capacity_w()
    await bench.ask(NORTH, 40_000)
    await bench.ask(HARBOUR, 40_000)

    await bench.decide()
    await bench.ask(NORTH, 40_000, name="again")
    await bench.decide()

    steps = [(g, s) for g, s, _ in await bench.story()]
    assert steps == [(NORTH, "partly"), (NORTH, "refused"), (HARBOUR, "partly")]
    assert "cable c1 carries no more" in (await bench.story())[1][2]
    assert ((await bench.capacity_w())[:2, :4] >= before_w[:2, :4]).all()


async def test_a_contract_may_say_all_or_nothing(bench, given):
    groups = [replace(g, all_or_nothing=g.group_id == "north-c1") for g in given.network.groups]
    tight = (await bench.on.grid.network()).elements
    await take_in(
        replace(given, network=Network.of(tight, groups, given.network.providers)), grid=bench.on.grid, now=AT
    )
    before_w = await bench.capacity_w()
    await bench.ask(NORTH, 40_000)
    await bench.ask(HARBOUR, 40_000)
    await bench.decide()
    little_w = float(before_w[NORTH, :4].max()) + 10
    await bench.ask(HARBOUR, 0)
    await bench.ask(NORTH, little_w)
    await bench.decide()

    story = await bench.story()
    north, harbour = ([(s, why) for g, s, why in story if g == n] for n in (NORTH, HARBOUR))
    assert north == [("refused", "it could be met only in part"), ("granted", "all that was asked for")]
    assert harbour[0][0] == "partly"
    assert ((await bench.capacity_w())[NORTH, :4] == np.floor(little_w)).all()
    for row in await bench.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(bench.pool))).is_equal


async def test_what_one_gives_back_another_may_have(bench):
    before_w = await bench.capacity_w()
    await bench.ask(NORTH, 0)
    await bench.decide()
    await bench.ask(HARBOUR, float(before_w[:2, :4].sum(axis=0).min()))

    await bench.decide()

    after_w = await bench.capacity_w()
    assert [(g, s) for g, s, _ in await bench.story()] == [(NORTH, "returned"), (HARBOUR, "granted")]
    assert (after_w[NORTH, :4] == 0).all()
    assert (after_w[HARBOUR, :4] > before_w[HARBOUR, :4] * 1.5).all()
    np.testing.assert_array_equal(after_w[:, 4:], before_w[:, 4:])


async def test_the_sum_never_exceeds_headroom(bench):
    for group, wanted_w in ((NORTH, 1000), (HARBOUR, 39_000), (2, 40_000), (NORTH, 38_000)):
        await bench.ask(group, wanted_w)
        await bench.decide()

        network = small_network()
        capacity_w = await bench.capacity_w()
        drawn_w = network.behind(capacity_w[:, None, :] * network.phase_share[:, :, None])
        assert (drawn_w <= np.maximum(await bench.headroom_w(), 0) + 0.1).all()


async def test_a_grant_holds_in_the_next_cycle_until_it_ends(bench):
    await bench.ask(NORTH, 0, quarters=3)
    await bench.ask(HARBOUR, 20_000, quarters=3)
    await bench.decide()
    await bench.decide()

    await bench.cycle(AT + timedelta(minutes=15))

    later_w = await bench.capacity_w(AT + timedelta(minutes=15))
    assert later_w[NORTH, :2].tolist() == [0, 0]
    np.testing.assert_allclose(later_w[HARBOUR, :2], later_w[HARBOUR, :2].clip(min=19_990))
    assert later_w[NORTH, 2] > 5_000


async def test_every_request_is_answered_with_its_id(bench):
    await bench.pool.execute("truncate outbound_forecast")
    await bench.ask(NORTH, 40_000, name="more")
    await bench.ask(HARBOUR, 100, kind=ForecastKind.OPTIMUM, name="wrong kind")
    await bench.ask(2, 100, at=AT - timedelta(days=2), name="past")

    assert await bench.decide() == 3

    answers = await bench.pool.fetch("select correlation_id, kind, group_no from outbound_forecast order by group_no")
    assert [r["correlation_id"] for r in answers] == ["more", "wrong kind", "past"]
    reasons = [reason for _, _, reason in await bench.story()]
    assert reasons[1] == "only CONSUMPTION and GENERATION can be asked for, not OPTIMUM"
    assert reasons[2].startswith("what it asks for is past")


async def test_many_deciders_decide_each_request_once(bench):
    for i in range(12):
        await bench.ask(i % 3, 10_000 + 100 * i)

    counts = await asyncio.gather(*(bench.decide() for _ in range(4)))

    assert sum(counts) == 12
    assert await bench.pool.fetchval("select count(*) from request_event") == 12


async def test_a_cycle_waits_for_the_gate_and_keeps_what_was_granted(bench):
    await bench.ask(NORTH, 0, quarters=8)
    await bench.ask(HARBOUR, 20_000, quarters=8)

    await asyncio.gather(bench.cycle(AT + timedelta(minutes=15)), bench.decide())
    await bench.decide(AT + timedelta(minutes=15))

    at = AT + timedelta(minutes=15)
    network = small_network()
    drawn_w = network.behind((await bench.capacity_w(at))[:, None, :] * network.phase_share[:, :, None])
    assert (drawn_w <= np.maximum(await bench.headroom_w(at), 0) + 0.1).all()


async def test_the_database_itself_refuses_grants_beyond_headroom(bench):
    """A decider that acts on stale figures, or twice, cannot commit."""
    await bench.ask(NORTH, 0)
    await bench.decide()
    ledger = await bench.pool.fetch("select * from capacity_ledger where 0 > any (given_w)")
    assert ledger

    for place in range(1, 13):  # three phases of four quarters
        with pytest.raises(asyncpg.CheckViolationError, match="grants_stay_within_headroom"):
            await bench.pool.execute(f"update capacity_ledger set given_w[{place}] = room_w[{place}] + 20000")


async def test_a_decision_on_stale_figures_is_not_kept(bench):
    quarters, shape = quarter_at(AT) + np.arange(4), (3, 3, 4)

    async def give(given_w: float) -> None:
        async with bench.on.requests.gate() as gate, gate.decide(AT, {}) as writer:
            room_w, elements = np.full(shape, 5000.0), np.arange(3)
            await writer.reserve(Direction.IMPORT, quarters, room_w, np.full(shape, given_w), AT, elements)

    await give(3000.0)
    decided = await bench.pool.fetchval("select count(*) from decision")

    with pytest.raises(Conflict, match="exceed headroom"):
        await give(3000.0)

    assert await bench.pool.fetchval("select count(*) from decision") == decided
    assert await bench.pool.fetchval("select max(w) from capacity_ledger, unnest(given_w) as w") == 3000.0


async def test_a_server_whose_clock_is_behind_knows_what_another_gave(bench):
    ahead, behind = AT + timedelta(seconds=40), AT + timedelta(seconds=5)
    headroom_w = await bench.headroom_w()
    await bench.ask(HARBOUR, 0)
    await bench.decide(AT)
    await bench.ask(NORTH, 40_000, at=ahead)
    await bench.decide(ahead)
    await bench.ask(2, 40_000, at=behind)

    assert await bench.decide(behind) == 1

    made = await bench.pool.fetch("select made_at from decision join decision_chain using (decision_id) order by seq")
    assert [r["made_at"] for r in made] == sorted(r["made_at"] for r in made)
    capacity_w = await bench.capacity_w(ahead)
    assert (capacity_w.sum(axis=0)[:4] / 3 <= headroom_w[0].min(axis=0)[:4] + 1).all()
    for row in await bench.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(bench.pool))).is_equal


async def test_a_decision_locks_only_its_own_tree(pool, given):
    bench = await _with_two_trees(pool, given)
    await bench.ask(NORTH, 100)
    await bench.ask(2, 100)

    async with bench.on.requests.gate() as other:
        assert await other.lock_tree(0)
        assert await asyncio.wait_for(bench.decide(), 10) == 1

    assert [(g, s) for g, s, _ in await bench.story()] == [(2, "returned")]
    assert await bench.decide() == 1


async def test_trees_take_turns_and_each_decision_is_told(pool, given):
    bench = await _with_two_trees(pool, given)
    for n in range(3):
        await bench.ask(NORTH, 100 + n)
    await bench.ask(2, 100)
    told = []

    decided = await decide_round(
        AT, grid=bench.on.grid, requests=bench.on.requests, tell=lambda: told.append(len(told)), at_once=1
    )

    rows = await bench.pool.fetch(
        "select r.group_no from request_event e join capacity_request r using (request_no) order by event_no"
    )
    assert decided == len(told) == 4
    assert [r["group_no"] for r in rows] == [NORTH, 2, NORTH, NORTH]


class Meeting(PostgresRequests):
    """Where the first two gates of a round wait for each other, both open."""

    def __init__(self, pool):
        super().__init__(pool)
        self._met, self._gates = asyncio.Barrier(2), 0

    @asynccontextmanager
    async def gate(self, *, alone=False):
        async with super().gate(alone=alone) as gate:
            self._gates += 1
            if self._gates <= 2:
                await self._met.wait()
            yield gate


async def test_two_trees_are_decided_on_at_the_same_time_each_request_once(pool, given):
    bench = await _with_two_trees(pool, given)
    for n in range(3):
        await bench.ask(NORTH, 100 + n)
    await bench.ask(2, 100)

    async with asyncio.timeout(60):
        decided = await decide_round(AT, grid=bench.on.grid, requests=Meeting(pool))

    assert decided == 4
    assert [(g, s) for g, s, _ in await bench.story()] == [(NORTH, "returned")] + [(NORTH, "granted")] * 2 + [
        (2, "returned")
    ]
    assert (await bench.capacity_w())[[NORTH, 2], :4].max(axis=1).tolist() == [102, 100]


async def test_what_waited_for_the_gate_is_recorded_behind_it(bench):
    await bench.ask(NORTH, 100)
    async with bench.on.requests.gate(alone=True):
        deciding = asyncio.create_task(bench.decide())
        await asyncio.sleep(0.5)
        opened_at = await bench.pool.fetchval("select clock_timestamp()")
    await deciding

    assert await bench.pool.fetchval("select max(recorded_at) from decision") > opened_at


async def test_what_is_decided_in_a_tree_by_itself_is_kept_and_replayed_in_the_whole_grid(pool, given):
    bench = await _with_two_trees(pool, given)
    before_w = await bench.capacity_w()
    await bench.ask(2, 100)
    await bench.decide()
    given_back_w = await bench.capacity_w()
    await bench.ask(2, 150_000, name="more")
    await bench.decide()
    after_w = await bench.capacity_w()

    assert (given_back_w[2, :4] == 100).all()
    assert (after_w[2, :4] > 100).all()
    assert (after_w[:2] == before_w[:2]).all()
    assert await bench.pool.fetch("select distinct element_no from capacity_ledger") == [(2,)]
    steps = await bench.story()
    assert [(g, s) for g, s, _ in steps] == [(2, "returned"), (2, "partly")]
    assert str(given.network.elements[2].element_id) in steps[1][2] or "contract" in steps[1][2]
    for row in await bench.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(pool))).is_equal


async def _with_two_trees(pool, given) -> Bench:
    """The third element stands by itself."""
    network = given.network
    apart = replace(network.elements[2], parent_id=None)
    bench = Bench(pool)
    await take_in(
        replace(given, network=replace(network, elements=(*network.elements[:2], apart))), grid=bench.on.grid, now=AT
    )
    await bench.cycle()
    return bench


async def test_what_a_decider_keeps_of_capacities_is_what_holds(bench):
    chance = np.random.default_rng(11)
    fresh = Bench(bench.pool)  # another server, which decides too
    for turn in range(8):
        group = int(chance.integers(3))
        await bench.ask(group, float(chance.integers(0, 20_000)), name=f"turn-{turn}")
        await (bench, fresh)[turn % 2].decide()
        if turn == 4:
            await bench.cycle(AT + timedelta(minutes=15))
        at = AT + timedelta(minutes=15) if turn >= 4 else AT
        async with bench.on.requests.gate() as gate:
            kept = await gate.capacities_of(np.arange(3), ForecastKind.CONSUMPTION, at)
        holds = (await bench.on.cycles.newest_capacities(3, at))[ForecastKind.CONSUMPTION]

        assert kept.steps == holds.steps
        assert kept.capacity_w.tobytes() == holds.capacity_w.tobytes()
        assert kept.bound_by.tobytes() == holds.bound_by.tobytes()
