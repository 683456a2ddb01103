"""What a group needs, and the draw that leaves the grid flattest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampacity.allocation import allocate, is_used_up, need_cap, optimum

watts = st.floats(0, 1e5)


@given(arrays(float, (14, 2, 3), elements=watts), arrays(float, 2, elements=watts), st.floats(0, 1))
def test_need_is_never_above_the_contract(use_w, contracted_w, ramp):
    cap_w = need_cap(use_w, contracted_w, ramp_fraction=ramp)

    assert (cap_w <= contracted_w[:, None]).all()
    assert (cap_w >= np.minimum(ramp * contracted_w, contracted_w)[:, None] - 1e-9).all()


def test_need_is_a_high_quantile_of_recent_use_and_room_to_rise():
    use_w = np.arange(1.0, 21.0).reshape(20, 1, 1)

    assert need_cap(use_w, np.array([100.0]), quantile=0.95, ramp_fraction=0.1).tolist() == [[29.0]]


def test_days_without_measurements_are_left_out():
    use_w = np.array([5.0, np.nan, 7.0]).reshape(3, 1, 1)

    assert need_cap(use_w, np.array([100.0]), quantile=1.0, ramp_fraction=0.0).tolist() == [[7.0]]


def test_who_is_not_known_gets_its_contract():
    assert need_cap(np.full((3, 1, 1), np.nan), np.array([100.0])).tolist() == [[100.0]]
    assert need_cap(np.zeros((0, 1, 1)), np.array([100.0])).tolist() == [[100.0]]


def test_lent_capacity_comes_back_at_once_when_it_is_used_or_asked_for():
    use_w = np.zeros((14, 2, 1))
    used = is_used_up(np.array([[19.0], [3.0]]), np.array([[20.0], [20.0]]))

    assert need_cap(use_w, np.array([100.0, 100.0]), open_w=used).ravel().tolist() == [100.0, 20.0]


@given(arrays(float, (7, 6, 1), elements=st.floats(0, 150)), arrays(float, 6, elements=st.floats(0, 150)), watts)
def test_wasting_never_earns_more_than_the_contract_while_others_are_unsatisfied(use_w, need_w, headroom_w):
    """The first group draws whatever it can all the time; the others ask for what they need."""
    use_w[:, 0] = 1000.0
    contracted_w = np.full(6, 100.0)
    asked = (need_w > 0)[:, None]
    cap_w = np.minimum(need_cap(use_w, contracted_w, open_w=asked), np.where(asked, need_w[:, None], np.inf))

    allocated_w = allocate(
        np.full((1, 1, 1), headroom_w % 600), [-1], np.zeros(6, int), np.ones((6, 1)), contracted_w,
        np.zeros((6, 1)), cap_w,
    ).allocated_w.ravel()  # fmt: skip

    unsatisfied = allocated_w < np.minimum(need_w, contracted_w) - 1e-9
    assert (allocated_w[0] <= allocated_w[unsatisfied] + 1e-8).all()


capacity = arrays(float, (3, 8), elements=watts)


@given(capacity, arrays(float, 3, elements=st.floats(0, 3e5)), arrays(float, (3, 8), elements=st.floats(-1e5, 1e5)))
def test_optimum_carries_the_need_inside_the_capacity(capacity_w, need_wh, load_w):
    drawn_w = optimum(capacity_w, need_wh, load_w)

    assert (drawn_w >= 0).all()
    assert (drawn_w <= capacity_w).all()
    possible_wh = np.minimum(need_wh, capacity_w.sum(axis=1) * 0.25)
    np.testing.assert_allclose(drawn_w.sum(axis=1) * 0.25, possible_wh, rtol=1e-9, atol=1e-4)


@given(capacity, arrays(float, 3, elements=st.floats(0, 3e5)), arrays(float, (3, 8), elements=st.floats(-1e5, 1e5)))
def test_no_shift_of_energy_makes_the_total_flatter(capacity_w, need_wh, load_w):
    """Where energy is drawn the total is nowhere above a quarter that could still take some."""
    drawn_w = optimum(capacity_w, need_wh, load_w)
    total_w = drawn_w + load_w

    for g in range(3):
        drawn, open_ = drawn_w[g] > 1e-3, drawn_w[g] < capacity_w[g] - 1e-3
        if drawn.any() and open_.any():
            assert total_w[g, drawn].max() <= total_w[g, open_].min() + 1e-3


def test_optimum_leans_to_a_surplus():
    capacity_w = np.full((1, 8), 100.0)
    surplus_w = np.array([[0.0] * 4 + [50.0] * 4])

    drawn_w = optimum(capacity_w, np.array([50.0]), np.zeros((1, 8)), surplus_w)

    np.testing.assert_allclose(drawn_w, [[0.0] * 4 + [50.0] * 4])
