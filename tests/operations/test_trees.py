"""A cycle decides batch after batch of trees, and comes out as if it had decided all behind a closed gate."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.errors import Conflict
from ampacity.forecasting import ForecastSettings
from ampacity.intake import InputFolder, LoadSeries
from ampacity.network import Network
from ampacity.operations.cycle import run_cycle
from ampacity.operations.emergency import impose
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.simulation.district import DistrictPlan, make_district
from ampacity.store.outbox import OutboxStore
from ampacity.store.postgres import PostgresCycles
from ampacity.store.records import PostgresRecords
from ampacity.store.requests import PostgresRequests
from tests.operations.test_adjust import (  # noqa: F401
    AT,
    HARBOUR,
    NORTH,
    Bench,
    _with_two_trees,
    bench,
    on_a_tight_cable,
)  # fmt: skip
from tests.operations.test_cycle import ports
from tests.operations.test_recalls import LATER, Lent

QUARTER = timedelta(minutes=15)
NEXT = AT + QUARTER
PLAN = DistrictPlan(homes=100, cables=12, cables_per_transformer=3, days=21)


@dataclass(frozen=True)
class Meanwhile:
    """Who is connected, and what else happens while the cycle works."""

    providers: frozenset[int]
    happens: Callable[[], Awaitable[object]]

    async def connected_providers(self) -> frozenset[int]:
        return self.providers

    async def told_each_cycle(self) -> frozenset[int]:
        return self.providers

    async def away_providers(self) -> tuple[()]:
        await self.happens()
        return ()

    async def figures_told(self, group_nos, kind) -> tuple[()]:
        return ()


def shuffled(given: InputFolder) -> InputFolder:
    """The same grid with the elements of its trees all mixed."""
    order = np.random.default_rng(3).permutation(len(given.network.elements))
    network = Network.of([given.network.elements[i] for i in order], given.network.groups, given.network.providers)
    loads = LoadSeries(window=given.measurements.window, load_w=given.measurements.load_w[order])
    return replace(given, network=network, measurements=loads)


async def cycle_with(bench: Bench, peers: Meanwhile, at=NEXT) -> int:  # noqa: F811
    on = replace(bench.on, peers=peers)
    return (await run_cycle(at, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())).decision_id


async def messages(pool, decision_id: int) -> dict[tuple[int, str], int]:
    rows = await pool.fetch(
        "select group_no, kind, count(*) as n from outbound_forecast where decision_id = $1 group by 1, 2", decision_id
    )
    return {(r["group_no"], r["kind"]): r["n"] for r in rows}


async def test_a_grid_decided_tree_by_tree_can_be_computed_again_at_once_to_the_byte(pool):
    on, given, at = ports(pool), shuffled(make_district(PLAN)), PLAN.window.end_moment
    await take_in(given, grid=on.grid, now=at)
    for k, elements_at_once in enumerate((1, 8192, 5)):
        settings = CycleSettings(elements_at_once=elements_at_once)

        record = await run_cycle(at + k * QUARTER, ports=on, forecast=ForecastSettings(), cycle=settings)

        replayed = await replay(record.decision_id, PostgresRecords(pool))
        assert replayed.is_equal, replayed.differences
        assert replayed.capacities >= 3 * 24 * 120
        assert set((await messages(pool, record.decision_id)).values()) <= {1}
    assert await PostgresRecords(pool).broken_links() == []


async def test_a_request_that_is_decided_while_a_cycle_works_holds_in_it(bench):  # noqa: F811
    async def asks():
        await bench.ask(NORTH, 1_000, at=NEXT, quarters=8)
        await bench.decide(NEXT)

    decision_id = await cycle_with(bench, Meanwhile(frozenset({0, 1}), asks))

    assert [(g, s) for g, s, _ in await bench.story()] == [(NORTH, "returned")]
    assert (await bench.capacity_w(NEXT))[NORTH, :8].max() <= 1_000
    assert (await bench.capacity_w(NEXT))[NORTH, 8:].min() > 1_000
    replayed = await replay(decision_id, PostgresRecords(bench.pool))
    assert replayed.is_equal, replayed.differences
    told = await messages(bench.pool, decision_id)
    assert set(told.values()) == {1}
    assert len(told) == 3 * 3
    assert await PostgresRecords(bench.pool).broken_links() == []


class WhileRead(PostgresRequests):
    """Where something happens before the first look at what requests let groups hold meanwhile."""

    def __init__(self, pool, happens):
        super().__init__(pool)
        self._happens = [happens]

    async def newly_held(self, kind, window, after, up_to):
        if self._happens:
            await self._happens.pop()()
        return await super().newly_held(kind, window, after, up_to)


@pytest.mark.parametrize("made_after", [timedelta(0), timedelta(seconds=2)])  # such as count as before the cycle, too
@pytest.mark.parametrize("elements_at_once", [1, 8192])
async def test_what_is_decided_while_a_cycle_reads_what_was_decided_holds_in_it(
    pool, given, elements_at_once, made_after
):
    bench = await _with_two_trees(pool, given)  # noqa: F811

    def asks(group: int):
        async def ask():
            await bench.ask(group, 100 + group, at=NEXT, quarters=8)
            await bench.decide(NEXT + made_after)

        return ask

    on = replace(bench.on, peers=Meanwhile(frozenset({0, 1}), asks(2)), requests=WhileRead(pool, asks(NORTH)))
    settings = CycleSettings(elements_at_once=elements_at_once)
    record = await run_cycle(NEXT, ports=on, forecast=ForecastSettings(), cycle=settings)

    assert [(g, s) for g, s, _ in await bench.story()] == [(NORTH, "returned"), (2, "returned")]
    capacity_w = await bench.capacity_w(NEXT)
    assert {g: capacity_w[g, :8].max() for g in (NORTH, 2)} == {NORTH: 100 + NORTH, 2: 102}
    assert capacity_w[[NORTH, 2], 8:].min() > 102
    replayed = await replay(record.decision_id, PostgresRecords(pool))
    assert replayed.is_equal, replayed.differences


async def test_what_is_queued_while_a_cycle_works_does_not_come_after_it(bench):  # noqa: F811
    await bench.pool.execute("update outbound_forecast set sent_at = now()")

    async def connects_again():
        assert await OutboxStore(bench.pool).enqueue_newest(0) > 0

    decision_id = await cycle_with(bench, Meanwhile(frozenset({0, 1}), connects_again))

    newest = await bench.pool.fetch(
        "select distinct on (group_no, kind) decision_id from outbound_forecast"
        " where kind in ('CONSUMPTION', 'GENERATION', 'OPTIMUM') order by group_no, kind, message_id desc"
    )
    assert {r["decision_id"] for r in newest} == {decision_id}


class WhileTold(PostgresCycles):
    """Where something happens when most messages of a cycle are written, and the gate is open yet."""

    def __init__(self, pool, happens):
        super().__init__(pool)
        self._happens, self._is_told = [happens], False

    async def told_since(self, slot):
        self._is_told = True
        return await super().told_since(slot)

    async def decided_since(self, seq, slot):
        if self._is_told and self._happens:
            await self._happens.pop()()
        return await super().decided_since(seq, slot)


async def test_what_is_queued_while_a_cycle_writes_its_messages_does_not_come_after_them(pool, given):
    """Who asks and who asks again then; all others are told once."""
    bench = await _with_two_trees(pool, given)  # noqa: F811
    await bench.ask(HARBOUR, 50, at=NEXT, name="asked before")
    await bench.decide(AT + timedelta(minutes=1))
    await pool.execute("update outbound_forecast set sent_at = now()")

    async def ask_and_ask_again():
        await bench.ask(NORTH, 100, at=NEXT, quarters=8)
        await bench.decide(NEXT)
        await pool.execute(
            "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)"
            " select decision_id, kind, provider_no, group_no, 'asked again' from outbound_forecast"
            " where correlation_id is not null and group_no = $1 limit 1",
            HARBOUR,
        )

    on = replace(bench.on, peers=Meanwhile(frozenset({0, 1}), nothing), cycles=WhileTold(pool, ask_and_ask_again))
    record = await run_cycle(NEXT, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())

    newest = await pool.fetch(
        "select distinct on (group_no, kind) group_no, kind, decision_id from outbound_forecast"
        " where kind in ('CONSUMPTION', 'GENERATION', 'OPTIMUM') order by group_no, kind, message_id desc"
    )
    assert {r["decision_id"] for r in newest} == {record.decision_id}
    told = await messages(pool, record.decision_id)
    assert set(told.values()) == {1}
    assert len(told) == len(newest)
    assert record.summary["messages"] == sum(told.values())
    assert (await bench.capacity_w(NEXT))[NORTH, :8].max() <= 100


async def test_who_connects_while_a_cycle_writes_its_messages_is_told_it_last(bench):  # noqa: F811
    await bench.pool.execute("update outbound_forecast set sent_at = now()")
    outbox = OutboxStore(bench.pool)
    on = replace(
        bench.on,
        peers=Meanwhile(frozenset({0, 1}), nothing),
        cycles=WhileTold(bench.pool, lambda: outbox.enqueue_newest(0)),
    )
    record = await run_cycle(NEXT, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())

    newest = await bench.pool.fetch(
        "select distinct on (group_no, kind) decision_id from outbound_forecast"
        " where kind in ('CONSUMPTION', 'GENERATION', 'OPTIMUM') order by group_no, kind, message_id desc"
    )
    assert {r["decision_id"] for r in newest} == {record.decision_id}


async def nothing() -> None:
    """Nothing happens."""


async def test_an_emergency_imposed_while_a_cycle_works_has_it_decided_again(bench):  # noqa: F811
    async def imposes():
        await impose(
            "c1", 1_000.0, NEXT + timedelta(hours=2), "a fault", now=NEXT, power_factor=0.95,
            grid=bench.on.grid, requests=bench.on.requests,
        )  # fmt: skip

    with pytest.raises(Conflict, match="decide again"):
        await cycle_with(bench, Meanwhile(frozenset({0, 1}), imposes))
    await bench.cycle(NEXT)

    assert (await bench.capacity_w(NEXT))[:2, :8].sum(axis=0).max() <= 1_000


@dataclass(frozen=True)
class ChangesOnly(Meanwhile):
    """Where nobody wants to be told what has not changed."""

    async def told_each_cycle(self) -> frozenset[int]:
        return frozenset()


async def test_who_was_told_something_else_while_a_cycle_worked_is_told_what_it_decides(pool, given):
    bench = await on_a_tight_cable(pool, given)  # noqa: F811
    lent = Lent(bench)
    await lent.lend(LATER)
    before_w = (await bench.capacity_w(AT))[HARBOUR, 4:8]
    told_w = []

    async def north_asks_and_gives_back():
        for k, wanted_w in enumerate((5_000, 0)):
            at = NEXT + timedelta(seconds=1 + k)
            await bench.ask(NORTH, wanted_w, at=NEXT, start=LATER, name=f"meanwhile {k}")
            await bench.decide(at)
            told_w.append((await bench.capacity_w(at))[HARBOUR, 4:8])
        await pool.execute("update outbound_forecast set sent_at = now() where sent_at is null")

    decision_id = await cycle_with(bench, ChangesOnly(frozenset({0, 1}), north_asks_and_gives_back))

    assert (told_w[-1] < before_w).all()  # what it had to give back, and was not given again
    assert np.array_equal((await bench.capacity_w(NEXT))[HARBOUR, 3:7], before_w)
    assert (HARBOUR, "CONSUMPTION") in await messages(pool, decision_id)
