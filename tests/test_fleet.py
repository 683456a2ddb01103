"""A fleet of cars comes, charges inside what it may, and its meter never lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.simulation import FleetPlan, empty_fleet, outlook_w, started_fleet, step
from ampacity.simulation.fleet import LEAST_W

PLAN = FleetPlan(seed=7, cars=40)
MIDNIGHT = 20_458 * 96  # of a day in January 2026, UTC
UNLIMITED = np.full(3, np.inf)


def days_of(plan, quarters, capacity_w, state=None):
    state = state or empty_fleet(MIDNIGHT)
    draws = []
    for k in range(quarters):
        state, draw = step(plan, state, capacity_w(k) if callable(capacity_w) else capacity_w)
        draws.append(draw)
    return state, draws


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 50),
    cars=st.integers(0, 25),
    limits_w=st.lists(st.tuples(*[st.floats(-1000, 40_000)] * 3), min_size=1, max_size=8),
)
def test_never_draws_more_than_it_may_on_any_phase(seed, cars, limits_w):
    plan = FleetPlan(seed=seed, cars=cars)

    _, draws = days_of(plan, 120, lambda k: np.array(limits_w[k % len(limits_w)]))

    for k, draw in enumerate(draws):
        assert (draw.load_w <= np.maximum(limits_w[k % len(limits_w)], 0) + 1e-6).all()
        assert (draw.load_w >= 0).all()
        assert (draw.unmet_w >= -1e-6).all()


def test_without_a_limit_everything_wanted_is_drawn_and_nobody_leaves_short():
    _, draws = days_of(PLAN, 5 * 96, UNLIMITED)

    assert sum(draw.unmet_w.sum() for draw in draws) == pytest.approx(0, abs=1e-6)
    needed_wh = sum(draw.load_w.sum() for draw in draws) / 4
    assert needed_wh > 40 * 5 * 3000
    assert (
        sum(draw.missed_wh for draw in draws) < 0.02 * needed_wh
    )  # who needs more than full power for the night gives


def test_a_tight_limit_is_used_and_leaves_wishes_open():
    limit_w = np.full(3, 5_000.0)
    _, draws = days_of(PLAN, 2 * 96, limit_w)

    assert max(draw.unmet_w.max() for draw in draws) > 10_000
    assert max(draw.load_w.max() for draw in draws) > 4_000


def test_who_must_leave_soonest_is_served_first():
    free, _ = days_of(PLAN, 74, np.zeros(3))
    after, _ = step(PLAN, free, np.array([4_000.0, 4_000.0, 4_000.0]))
    before = {int(c): n for c, n in zip(free.sessions.car, free.sessions.need_wh, strict=True)}
    served = [
        int(c) for c, n in zip(after.sessions.car, after.sessions.need_wh, strict=True) if n < before.get(int(c), n)
    ]

    power_wh = free.sessions.charger_w * free.sessions.on_phase.sum(axis=1) / 4
    spare = free.sessions.departure - free.quarter - free.sessions.need_wh / power_wh

    assert served
    assert int(free.sessions.car[np.argmin(spare)]) in served


def test_a_car_never_draws_less_than_six_amperes_for_want_of_capacity():
    _, draws = days_of(PLAN, 96, np.full(3, LEAST_W - 1))

    drawn = [draw for draw in draws if draw.load_w.any()]
    for draw in drawn:  # only cars that need no more than that to be full
        assert draw.load_w.max() < LEAST_W


def test_the_registers_count_every_watt_hour_and_never_run_back():
    state, draws = days_of(PLAN, 96, np.full(3, 9_000.0))
    later, more = days_of(PLAN, 96, UNLIMITED, state)

    np.testing.assert_allclose(state.register_wh, sum(draw.load_w for draw in draws) / 4)
    np.testing.assert_allclose(later.register_wh - state.register_wh, sum(draw.load_w for draw in more) / 4)
    assert (later.register_wh >= state.register_wh).all()


def test_the_same_seed_is_the_same_fleet_and_another_is_another():
    first = np.array([d.load_w for d in days_of(PLAN, 96, UNLIMITED)[1]])
    again = np.array([d.load_w for d in days_of(PLAN, 96, UNLIMITED)[1]])
    other = np.array([d.load_w for d in days_of(FleetPlan(seed=8, cars=40), 96, UNLIMITED)[1]])

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_single_phase_group_charges_on_its_phase_alone():
    _, draws = days_of(FleetPlan(seed=1, cars=20, phases=(2,)), 192, UNLIMITED)

    total_w = sum(draw.load_w for draw in draws)
    assert total_w[1] > 0
    assert total_w[[0, 2]].tolist() == [0, 0]


def test_three_phase_cars_draw_evenly_and_single_phase_cars_make_a_difference():
    _, draws = days_of(PLAN, 96, UNLIMITED)

    peak = max(draws, key=lambda draw: draw.load_w.sum())
    assert (peak.load_w > 0).all()
    assert peak.load_w.max() > peak.load_w.min()


def test_a_fleet_started_at_night_finds_cars_that_came_in_the_evening():
    state = started_fleet(PLAN, MIDNIGHT)

    assert len(state.sessions) > 5
    assert (state.sessions.departure > MIDNIGHT).all()


def test_no_car_is_there_twice_in_a_week():
    state = empty_fleet(MIDNIGHT)
    for _ in range(7 * 96):
        state, _ = step(PLAN, state, np.zeros(3))
        assert len(set(state.sessions.car.tolist())) == len(state.sessions)


def test_the_outlook_is_what_is_drawn_when_nothing_limits_it():
    state, _ = days_of(PLAN, 70, UNLIMITED)

    ahead_w = outlook_w(PLAN, state, 24)

    _, draws = days_of(PLAN, 24, UNLIMITED, state)
    np.testing.assert_allclose(ahead_w, [draw.load_w for draw in draws])


@pytest.mark.parametrize("wrong", [{"cars": -1}, {"phases": ()}, {"phases": (4,)}])
def test_a_fleet_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FleetPlan(**({"seed": 1, "cars": 1} | wrong))
