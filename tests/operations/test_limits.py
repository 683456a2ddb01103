"""A limit that a person sets: a lower one at once, an override with four eyes, both seen in every later cycle."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ampacity.errors import Conflict, NotFound, Refused, Unsuitable
from ampacity.network import Direction, ForecastKind
from ampacity.operations.emergency import impose
from ampacity.operations.limits import (
    confirm_limit,
    current_limits,
    foresee_limit,
    refuse_limit,
    set_limit,
    withdraw_limit,
)
from ampacity.operations.replay import replay
from ampacity.people import LimitChange, LimitKind, LimitState, NewLimit, Role, SignedIn, effective_limit_w
from ampacity.store.console import PostgresViews
from ampacity.store.people import PostgresPeople
from ampacity.store.records import PostgresRecords
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
    _, before_w = await views.headroom(Direction.IMPORT, range(3), AT)
    await cycle(decided, AT + timedelta(minutes=15))
    _, after_w = await views.headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=15))
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
        ends_at=start + timedelta(hours=hours), reason="r", at_once=False, set_by="a", set_by_no=1, set_at=start,
        decided_at=start, confirmed_by=None, refused_at=None, refused_by=None, withdrawn_at=None, withdrawn_by=None,
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


async def at_once(pool, desk, **changes) -> int:
    """An override that counts at once, set by one and confirmed by another."""
    ada = await person(pool, "ada", Role.PLANNER, Hands(WALL))
    grace = await person(pool, "grace", Role.OPERATOR, Hands(WALL))
    new = replace(new_limit(LimitKind.OVERRIDE, **changes), at_once=True)
    number = await set_limit(desk, ada, new)
    await confirm_limit(desk, grace, number)
    return number


async def test_an_override_at_once_lowers_what_is_out_when_it_is_confirmed(pool, decided):
    before_w, _ = await given_to(decided)

    await at_once(pool, desk_of(pool), hours=2)

    after_w, _ = await given_to(decided)
    assert (after_w[CABLE, :, :9] <= LIMIT_W).all()
    assert (after_w[:, :, 9:] == before_w[:, :, 9:]).all()
    told = await pool.fetch(
        "select distinct o.group_no, o.kind::text from outbound_forecast o join decision d using (decision_id)"
        " where d.kind = 'override'"
    )
    assert {(r["group_no"], r["kind"]) for r in told} >= {(0, "CONSUMPTION"), (1, "CONSUMPTION")}
    await cycle(decided, AT + timedelta(minutes=15))
    later_w, _ = await given_to(decided, at=AT + timedelta(minutes=15))
    assert (later_w[CABLE, :, :8] <= LIMIT_W).all()


async def test_an_override_at_once_that_raises_is_shared_out_within_what_it_adds(pool, decided):
    before_w, _ = await given_to(decided)
    views = PostgresViews(pool)
    rated_w = small_network().limit_w(0.95)[CABLE, 0]
    _, room_before_w = await views.headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=5))

    await at_once(pool, desk_of(pool), limit_w=rated_w + 3_000.0, hours=3)

    after_w, table = await given_to(decided)
    _, room_after_w = await views.headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=6))
    held = slice(0, 13)
    assert (after_w >= before_w).all()
    more_w = (after_w - before_w)[CABLE, :, held]
    assert more_w.max() > 100  # as much as the transformer above leaves
    assert (more_w <= 3_000.0 + 1).all()
    np.testing.assert_allclose((room_after_w - room_before_w)[CABLE, :, held], 3_000.0, atol=1)
    assert (after_w[CABLE] <= room_after_w[CABLE] + 1).all()
    assert (after_w[0] <= room_after_w[0] + 1).all()
    assert (table.capacity_w[:2] <= 40_000).all()
    assert (after_w[CABLE + 1] == before_w[CABLE + 1]).all()


async def test_withdrawing_what_counted_at_once_takes_it_back_at_once(pool, decided):
    desk = desk_of(pool)
    number = await at_once(pool, desk, limit_w=20_000.0, hours=3)
    raised_w, _ = await given_to(decided)
    _, room_w = await PostgresViews(pool).headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=6))

    await withdraw_limit(desk, await grace_again(pool), number)

    _, back_w = await PostgresViews(pool).headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=6))
    after_w, _ = await given_to(decided)
    added_w = 20_000.0 - small_network().limit_w(0.95)[CABLE, 0]
    np.testing.assert_allclose((room_w - back_w)[CABLE, :, :13], added_w, atol=1)
    assert (after_w <= raised_w).all()
    assert (after_w[CABLE] <= np.maximum(back_w[CABLE], 0) + 1).all()


async def grace_again(pool):
    found = await PostgresPeople(pool).password_hash("grace")
    return SignedIn(account_no=found[0].account_no, name="grace", full_name="", role=Role.OPERATOR)


async def test_decisions_under_an_override_at_once_can_be_replayed(pool, decided):
    desk = desk_of(pool)
    number = await at_once(pool, desk, limit_w=8_000.0, hours=3)
    await withdraw_limit(desk, await grace_again(pool), number)

    kinds = await pool.fetch("select decision_id, kind::text from decision order by decision_id")
    assert [r["kind"] for r in kinds] == ["cycle", "override", "override"]
    for row in kinds:
        replayed = await replay(row["decision_id"], PostgresRecords(pool))
        assert replayed.is_equal, replayed.differences
        assert replayed.capacities > 0


@pytest.mark.parametrize("emergency_first", [True, False])
@pytest.mark.parametrize("now", [True, False])
async def test_beside_an_emergency_of_the_command_line_the_lower_limit_counts(pool, decided, emergency_first, now):
    desk = desk_of(pool)

    async def lower() -> None:
        await impose(
            "c1", 3 * 5_000.0, AT + timedelta(hours=2), "burning", now=AT + timedelta(minutes=5), power_factor=0.95,
            grid=desk.grid, requests=desk.requests,
        )  # fmt: skip

    async def lift() -> None:
        if now:
            await at_once(pool, desk, limit_w=25_000.0, hours=5)
            return
        ada = await person(pool, "ada", Role.PLANNER, Hands(WALL))
        grace = await person(pool, "grace", Role.OPERATOR, Hands(WALL))
        await confirm_limit(desk, grace, await set_limit(desk, ada, new_limit(LimitKind.OVERRIDE, 25_000.0, hours=5)))

    for act in (lower, lift) if emergency_first else (lift, lower):
        await act()

    soon_w, _ = await given_to(decided)
    assert (soon_w[CABLE, :, :8] <= 5_000).all()
    await cycle(decided, AT + timedelta(minutes=15))
    _, room_w = await PostgresViews(pool).headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=15))
    _, other_w = await PostgresViews(pool).headroom(Direction.EXPORT, range(3), AT + timedelta(minutes=15))
    both_w = (room_w + other_w)[CABLE] / 2  # the limit, less half of the band
    assert (room_w[CABLE, :, :7] <= 5_000).all()
    assert (both_w[:, :7] > 3_000).all()  # taken once, not twice
    assert (both_w[:, 8:18] > 22_000).all()
    said = [c for c, stands in await current_limits(desk) if stands is LimitState.HOLDS]
    assert {(c.kind, c.set_by, round(c.limit_w)) for c in said} == {
        (LimitKind.EMERGENCY, "the command line", 5_000), (LimitKind.OVERRIDE, "ada", 25_000),
    }  # fmt: skip


async def test_a_lower_override_and_an_emergency_do_not_add_up(pool, decided):
    desk = desk_of(pool)
    await at_once(pool, desk, limit_w=14_000.0, hours=5)
    await set_limit(desk, await grace_again(pool), new_limit(limit_w=10_000.0, hours=5))

    _, room_w = await PostgresViews(pool).headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=6))
    _, other_w = await PostgresViews(pool).headroom(Direction.EXPORT, range(3), AT + timedelta(minutes=6))
    soon_w = (room_w + other_w)[CABLE] / 2
    await cycle(decided, AT + timedelta(minutes=15))
    _, room_w = await PostgresViews(pool).headroom(Direction.IMPORT, range(3), AT + timedelta(minutes=15))
    _, other_w = await PostgresViews(pool).headroom(Direction.EXPORT, range(3), AT + timedelta(minutes=15))
    later_w = (room_w + other_w)[CABLE] / 2

    for found_w in (soon_w[:, :16], later_w[:, :16]):
        assert (found_w > 8_000).all()
        assert (found_w <= 10_000).all()


async def test_a_new_emergency_replaces_the_one_before_and_says_so(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    await set_limit(desk, ada, new_limit(limit_w=3_000.0))
    await set_limit(desk, ada, new_limit(limit_w=9_000.0))

    stands = {round(c.limit_w): s for c, s in await current_limits(desk)}

    assert stands == {3_000: LimitState.WITHDRAWN, 9_000: LimitState.HOLDS}
    await cycle(decided, AT + timedelta(minutes=15))
    after_w, _ = await given_to(decided, at=AT + timedelta(minutes=15))
    assert 3_000 < after_w[CABLE, :, :16].max() <= 9_000
    acts = [r["what"] for r in await pool.fetch("select what from act where about = 'element/c1' order by act_no")]
    assert "replaced an emergency limit" in acts


async def test_what_the_command_line_set_can_be_withdrawn_by_an_operator(pool, decided):
    desk = desk_of(pool)
    ada = await person(pool, "ada", Role.OPERATOR, Hands(WALL))
    await impose(
        "c1", 9_000.0, AT + timedelta(hours=9), "burning", now=AT + timedelta(minutes=5), power_factor=0.95,
        grid=desk.grid, requests=desk.requests,
    )  # fmt: skip
    [(found, _)] = await current_limits(desk)

    await withdraw_limit(desk, ada, found.limit_no)

    await cycle(decided, AT + timedelta(minutes=15))
    after_w, _ = await given_to(decided, at=AT + timedelta(minutes=15))
    assert (after_w[CABLE, :, 4:] > 3_000).all()  # what was told for the first quarters is not changed any more
    assert [s for _, s in await current_limits(desk)] == [LimitState.WITHDRAWN]
