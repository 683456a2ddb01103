"""What a provider holds already is not sent again, and it holds a day of everything at all times."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from ampacity.forecasting import ForecastSettings
from ampacity.network import ForecastKind
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.deliver import LEAST_REACH, due
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.ports import NOTHING_TOLD, CapacityTable, Steps
from ampacity.store.peers import PeerStore
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.timegrid import QUARTER
from tests.operations.conftest import DAYS, START

AT = START + timedelta(days=DAYS)
RENEWED = ("CONSUMPTION", "GENERATION", "OPTIMUM")


def table(first: int, capacity_w: np.ndarray, quarters: int = 1) -> CapacityTable:
    steps = Steps(first=first, count=capacity_w.shape[1], quarters=quarters)
    bound_by = np.zeros(capacity_w.shape, np.int64)
    return CapacityTable(kind=ForecastKind.CONSUMPTION, steps=steps, capacity_w=capacity_w, bound_by=bound_by)


def same(first: int, groups: int = 3) -> CapacityTable:
    return table(first, np.full((groups, 120), 5.0, np.float32))


def test_what_is_held_and_reaches_a_day_is_not_due():
    assert not due(same(101), same(100), np.full(3, 220)).any()


def test_a_change_within_what_is_held_is_due_and_one_beyond_is_not():
    now_w = np.full((3, 120), 5.0, np.float32)
    now_w[0, 10] = 4.0
    now_w[1, 118] = 4.0  # nobody was told of it yet

    assert due(table(101, now_w), same(100), np.full(3, 219)).tolist() == [True, False, False]


def test_who_holds_nothing_is_sent_everything():
    assert due(same(101), same(100), np.array([NOTHING_TOLD, 220, NOTHING_TOLD])).tolist() == [True, False, True]
    assert due(same(101), None, np.full(3, 220)).all()
    assert due(same(101), same(102), np.full(3, 222)).all()


@for_any(st.integers(24, 48), st.integers(0, 10**6))
def test_everybody_holds_a_day_when_the_next_cycle_has_been_sent(horizon_h, first):
    count, groups = horizon_h * 4, 40
    until = np.full(groups, first + count)
    sent = []
    for now in range(first + 1, first + 200):
        capacity_w = np.zeros((groups, count), np.float32)
        wanted = due(table(now, capacity_w), table(now - 1, capacity_w), until)
        assert (until - now)[~wanted].min(initial=LEAST_REACH) >= LEAST_REACH
        until = np.where(wanted, now + count, until)
        assert (until - (now + 1) >= min(96, count - 1)).all()  # while the next cycle is decided and sent
        sent.append(wanted.mean())

    if horizon_h >= 30:
        assert np.mean(sent) < 0.1
        assert max(sent) < 0.5  # they do not all fall due together


class Delivered:
    """Cycles whose messages all arrive."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.on = CyclePorts(
            grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
            peers=PeerStore(pool), usage=UsageStore(pool),
        )  # fmt: skip

    async def connect(self, provider_no: int, profile: dict | None = None) -> None:
        await self.pool.execute(
            "insert into peer (provider_no, state, state_since, connected_at, profile)"
            " values ($1, 'connected', now(), now(), $2)",
            provider_no, profile or {},
        )  # fmt: skip

    async def cycle(self, k: int) -> dict:
        record = await run_cycle(
            AT + k * QUARTER, ports=self.on, forecast=ForecastSettings(), cycle=CycleSettings(dead_band_fraction=1.0)
        )
        await self.pool.execute("update outbound_forecast set sent_at = now() where sent_at is null")
        return record.summary

    async def sent_in(self, k: int) -> set[tuple[str, int]]:
        rows = await self.pool.fetch(
            "select o.kind, o.group_no from outbound_forecast o join decision d using (decision_id)"
            " where d.made_at = $1",
            AT + k * QUARTER,
        )
        return {(r["kind"], r["group_no"]) for r in rows}


@pytest.fixture
async def delivered(pool, given):
    made = Delivered(pool)
    await take_in(given, grid=made.on.grid, now=AT)
    return made


async def test_a_cycle_sends_less_than_all_and_counts_what_it_holds_back(delivered):
    await delivered.connect(0)
    await delivered.connect(1)

    first = await delivered.cycle(0)
    later = [await delivered.cycle(k) for k in range(1, 5)]

    assert first["messages"] == 3 * len(ForecastKind)
    assert sum(first["held_back"].values()) == 0
    for kind in RENEWED:
        assert all(s["sent"][kind] + s["held_back"][kind] == 3 for s in later)
    assert sum(s["messages"] for s in later) < 0.7 * 4 * 3 * len(RENEWED)


async def test_who_wants_every_forecast_gets_every_one(delivered):
    await delivered.connect(0, {"every_forecast": True})

    for k in range(4):
        summary = await delivered.cycle(k)

        assert {summary["sent"][kind] for kind in RENEWED} == {2}
        assert sum(summary["held_back"].values()) == 0


async def test_who_was_away_is_sent_all_even_if_nothing_changed(delivered):
    await delivered.connect(0)
    await delivered.cycle(0)
    await delivered.pool.execute("update peer set state = 'offline'")
    await delivered.cycle(1)
    await delivered.pool.execute("update peer set state = 'connected', connected_at = now()")

    await delivered.cycle(2)

    assert await delivered.sent_in(1) == set()
    assert await delivered.sent_in(2) == {(kind, g) for kind in RENEWED for g in (0, 2)}


async def test_what_was_given_up_is_sent_anew(delivered):
    await delivered.connect(0)
    await delivered.cycle(0)
    await delivered.pool.execute("update outbound_forecast set sent_at = null, dead_at = now() where group_no = 2")

    await delivered.cycle(1)

    assert {(kind, 2) for kind in RENEWED} <= await delivered.sent_in(1)


async def test_a_new_contract_is_told_in_its_own_unit(delivered):
    await delivered.connect(0)
    await delivered.cycle(0)
    await delivered.pool.execute(
        "insert into contract (group_no, version, provider_no, element_no, phases, contracted_import_w, firm_import_w,"
        " contracted_export_w, firm_export_w, unit) select group_no, version + 1, provider_no, element_no, phases,"
        " contracted_import_w, firm_import_w, contracted_export_w, firm_export_w, 'KW' from contract where group_no = 2"
    )

    await delivered.cycle(1)

    assert {(kind, 2) for kind in RENEWED} <= await delivered.sent_in(1)


async def test_what_waits_counts_as_held(delivered):
    await delivered.connect(0)
    await delivered.connect(1)
    first = await run_cycle(AT, ports=delivered.on, forecast=ForecastSettings(), cycle=CycleSettings())
    second = await run_cycle(
        AT + QUARTER, ports=delivered.on, forecast=ForecastSettings(), cycle=CycleSettings(dead_band_fraction=1.0)
    )

    assert first.summary["messages"] == 3 * len(ForecastKind)
    assert second.summary["messages"] < 3 * len(RENEWED)
