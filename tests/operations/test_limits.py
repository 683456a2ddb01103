"""A limit that a person sets: a lower one at once, an override with four eyes, both seen in every later cycle."""

from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ampacity.errors import Conflict, NotFound, Refused, Unsuitable
from ampacity.network import Direction, ForecastKind
from ampacity.operations.limits import (
    confirm_limit,
    current_limits,
    foresee_limit,
    refuse_limit,
    set_limit,
    withdraw_limit,
)
from ampacity.people import LimitChange, LimitKind, LimitState, NewLimit, Role, effective_limit_w
from ampacity.store.console import PostgresViews
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import small_network
from tests.operations.people import Hands, limit_desk, person
from tests.operations.test_cycle import AT, cycle, ports

WALL = datetime(2026, 6, 1, 8, tzinfo=UTC)
CABLE = 1  # c1: 80 A, 17.5 kW a phase, with two groups behind it
LIMIT_W = 6_000.0


@pytest.fixture
async def pool(decided_pool):
    return decided_pool


@pytest.fixture
async def decided(pool):
    """A decided cycle, five minutes ago."""
    return ports(pool)


def new_limit(
    kind=LimitKind.EMERGENCY, limit_w=LIMIT_W, hours=4.0, element_no=CABLE, reason="splice is hot", starts_in_h=None
) -> NewLimit:
    start = AT + timedelta(minutes=5 if starts_in_h is None else 60 * starts_in_h)
    return NewLimit(
        element_no=element_no, kind=kind, limit_w=limit_w, starts_at=start, ends_at=start + timedelta(hours=hours),
        reason=reason,
    )  # fmt: skip


def desk_of(pool):
    return limit_desk(pool, Hands(AT + timedelta(minutes=5)), Hands(WALL))


async def given_to(on, kind=ForecastKind.CONSUMPTION, at=AT + timedelta(minutes=6)):
    network = small_network()
    table = (await on.cycles.newest_capacities(3, at))[kind]
    return network.behind(table.capacity_w[:, None, :] * network.phase_share[:, :, None]), table


async def test_an_emergency_lowers_what_is_out_at_once_and_only_while_it_holds(pool, decided):
    before_w, _ = await given_to(decided)
    desk = desk_of(pool)
    who = await person(pool, "ada", Role.OPERATOR, Hands(WALL))

    await set_limit(desk, who, new_limit())

    after_w, table = await given_to(decided)
    held = slice(0, 17)  # five past the hour for four hours touches 17 quarters
    assert (before_w[CABLE, :, held] > LIMIT_W).any()
    assert (after_w[CABLE, :, held] <= LIMIT_W).all()
    assert (after_w <= before_w).all()
    assert (after_w[:, :, 17:] == before_w[:, :, 17:]).all()
    assert (table.capacity_w[2] == (await given_to(decided, at=AT))[1].capacity_w[2]).all()
    kinds = await pool.fetch("select kind::text from decision order by decision_id")
    assert [r["kind"] for r in kinds] == ["cycle", "emergency"]


async def test_who_gets_less_is_told_in_every_kind(pool, decided):
    desk = desk_of(pool)
    who = await person(pool, "ada", Role.OPERATOR, Hands(WALL))

    await set_limit(desk, who, new_limit(limit_w=0.0))

    told = await pool.fetch(
        "select o.kind::text, o.group_no from outbound_forecast o join decision d using (decision_id) "
        "where d.kind = 'emergency'"
    )
    assert {r["group_no"] for r in told} == {0, 1}
    assert {r["kind"] for r in told} >= {"CONSUMPTION", "GENERATION", "OPTIMUM"}
    optimum = (await given_to(decided, ForecastKind.OPTIMUM))[1].capacity_w
    consumption = (await given_to(decided))[1].capacity_w
    assert (optimum <= consumption).all()


async def test_the_next_cycles_keep_to_it_until_it_ends(pool, decided):
    desk = desk_of(pool)
    who = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    await set_limit(desk, who, new_limit(hours=1))

    await cycle(decided, AT + timedelta(minutes=15))

    after_w, table = await given_to(decided, at=AT + timedelta(minutes=15))
    assert table.steps.first == quarter_at(AT) + 1
    assert (after_w[CABLE, :, :4] <= LIMIT_W).all()
    assert (after_w[CABLE, :, 4:] > LIMIT_W).any()


async def test_an_override_waits_for_a_second_person(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    grace = await person(pool, "grace", Role.OPERATOR, Hands(WALL))
    number = await set_limit(desk, ada, new_limit(LimitKind.OVERRIDE))
    waiting_w, _ = await given_to(decided)
    assert (waiting_w[CABLE] > LIMIT_W).any()
    assert [s for _, s in await current_limits(desk)] == [LimitState.PROPOSED]

    with pytest.raises(Refused, match="second person"):
        await confirm_limit(desk, ada, number)
    await confirm_limit(desk, grace, number)

    now_w, _ = await given_to(decided)
    assert (now_w == waiting_w).all()
    await cycle(decided, AT + timedelta(minutes=15))
    after_w, _ = await given_to(decided, at=AT + timedelta(minutes=15))
    assert (after_w[CABLE, :, :16] <= LIMIT_W).all()
    acts = await pool.fetch("select who, what, about from act where about like 'element/%' order by act_no")
    assert [tuple(a) for a in acts] == [
        ("ada", "proposed an override", "element/c1"),
        ("grace", "confirmed an override", "element/c1"),
    ]


async def test_not_even_the_database_lets_one_person_confirm_alone(pool, decided):
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    number = await set_limit(desk_of(pool), ada, new_limit(LimitKind.OVERRIDE))

    with pytest.raises(asyncpg.CheckViolationError, match="same account"):
        await pool.execute(
            "insert into limit_event (limit_no, step, at, account_no) values ($1, 'confirmed', $2, $3)",
            number, AT, ada.account_no,
        )  # fmt: skip


async def test_an_answered_override_is_not_answered_again(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    grace = await person(pool, "grace", Role.OPERATOR, Hands(WALL))
    number = await set_limit(desk, ada, new_limit(LimitKind.OVERRIDE))
    await refuse_limit(desk, grace, number)

    with pytest.raises(Conflict, match="does not wait"):
        await confirm_limit(desk, grace, number)
    with pytest.raises(NotFound):
        await confirm_limit(desk, grace, number + 1)


async def test_a_higher_override_counts_from_the_next_cycle_on(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.PLANNER, Hands(WALL))
    grace = await person(pool, "grace", Role.OPERATOR, Hands(WALL))
    before = await pool.fetchval("select count(*) from decision")
    number = await set_limit(desk, ada, new_limit(LimitKind.OVERRIDE, limit_w=30_000.0, hours=48))

    await confirm_limit(desk, grace, number)

    assert await pool.fetchval("select count(*) from decision") == before
    views = PostgresViews(pool)
    _, before_w = await views.headroom(Direction.IMPORT, 3, AT)
    await cycle(decided, AT + timedelta(minutes=15))
    _, after_w = await views.headroom(Direction.IMPORT, 3, AT + timedelta(minutes=15))
    raised_w = 30_000.0 - small_network().limit_w(0.95)[CABLE, 0]
    assert (after_w[CABLE, :, 0] - before_w[CABLE, :, 1] > 0.9 * raised_w).all()
    assert (after_w[CABLE + 1, :, 0] - before_w[CABLE + 1, :, 1] < 0.1 * raised_w).all()


async def test_a_withdrawn_limit_gives_its_capacity_back_with_the_next_cycle(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    number = await set_limit(desk, ada, new_limit(hours=12))
    await withdraw_limit(desk, ada, number)

    await cycle(decided, AT + timedelta(minutes=15))

    after_w, _ = await given_to(decided, at=AT + timedelta(minutes=15))
    assert (after_w[CABLE] > LIMIT_W).any()
    with pytest.raises(Conflict):
        await withdraw_limit(desk, ada, number)


async def test_what_a_limit_would_do_is_told_before_and_changes_nothing(pool, decided):
    desk = desk_of(pool)
    who = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    before_w, _ = await given_to(decided)

    foreseen = await foresee_limit(desk, new_limit())

    assert ((await given_to(decided))[0] == before_w).all()
    await set_limit(desk, who, new_limit())
    after_w, _ = await given_to(decided)
    lost_wh = (before_w - after_w)[CABLE].sum() / 4
    assert sum(foreseen.values()) == pytest.approx(lost_wh, rel=1e-6)
    assert set(foreseen) == {0, 1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": " "}, "say why"),
        ({"hours": -1}, "is past"),
        ({"hours": 24 * 8}, "at most 7 days"),
        ({"limit_w": 17_600.0}, "an emergency lowers"),
        ({"starts_in_h": 2}, "holds from now on"),
        ({"limit_w": -1.0}, "it is 0 to"),
        ({"limit_w": float("nan")}, "it is 0 to"),
    ],
)
async def test_a_wrong_limit_is_refused_with_the_reason(pool, decided, changes, said):
    who = await person(pool, "ada", Role.OPERATOR, Hands(WALL))

    with pytest.raises(Unsuitable, match=said):
        await set_limit(desk_of(pool), who, new_limit(**changes))

    assert await pool.fetchval("select count(*) from limit_change") == 0


async def test_who_may_only_look_sets_no_limit(pool, decided):
    viewer = await person(pool, "vi", Role.VIEWER, Hands(WALL))
    planner = await person(pool, "pa", Role.PLANNER, Hands(WALL))

    for who, kind in ((viewer, LimitKind.OVERRIDE), (planner, LimitKind.EMERGENCY)):
        with pytest.raises(Refused, match="does not allow"):
            await set_limit(desk_of(pool), who, new_limit(kind))


def change(kind: LimitKind, limit_w: float, first: int, hours: int) -> LimitChange:
    start = AT + timedelta(hours=first)
    return LimitChange(
        limit_no=1, element_no=0, element_id="t", kind=kind, limit_w=limit_w, starts_at=start,
        ends_at=start + timedelta(hours=hours), reason="r", set_by="a", set_by_no=1, set_at=start, decided_at=start,
        confirmed_by=None, refused_at=None, refused_by=None, withdrawn_at=None, withdrawn_by=None,
    )  # fmt: skip


@for_all(
    st.lists(
        st.tuples(st.sampled_from(LimitKind), st.floats(0, 50_000), st.integers(0, 20), st.integers(1, 20)), max_size=6
    )
)
def test_an_emergency_never_raises_and_phases_that_are_not_there_stay_at_none(rows):
    changes = [change(*row) for row in rows]
    window = Window(quarter_at(AT), 96)
    rated_w = np.array([20_000.0, 20_000.0, 0.0])

    limit_w = effective_limit_w(rated_w, changes, window)

    overrides = [c for c in changes if c.kind is LimitKind.OVERRIDE]
    assert (limit_w <= effective_limit_w(rated_w, overrides, window)).all()
    assert (limit_w[2] == 0).all()
    assert (effective_limit_w(rated_w, [], window)[:2] == 20_000).all()
