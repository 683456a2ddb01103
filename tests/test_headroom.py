"""What is left of a rating, and what is kept of it for asking."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampacity.allocation import fallback, headroom, pool_reserve
from ampacity.network import Direction

watts = st.floats(-1e5, 1e5)


@given(arrays(float, (2, 3), elements=st.floats(0, 1e5)), arrays(float, (2, 3, 4), elements=watts), st.floats(0, 1e4))
def test_a_load_at_the_quantile_and_all_headroom_together_are_the_limit(limit_w, load_w, margin_w):
    free = headroom(limit_w, load_w, load_w, margin_w)

    there = np.broadcast_to(limit_w[:, :, None] > 0, load_w.shape)
    most_w = np.broadcast_to(limit_w[:, :, None], load_w.shape) - margin_w
    np.testing.assert_allclose((load_w + free.import_w)[there], most_w[there], atol=1e-6)
    np.testing.assert_allclose((free.export_w - load_w)[there], most_w[there], atol=1e-6)


def test_an_absent_phase_carries_nothing_and_is_not_unknown():
    free = headroom([[100.0, 0.0]], [[[20.0], [np.nan]]], [[[10.0], [np.nan]]])

    assert free.import_w.ravel().tolist() == [80.0, 0.0]
    assert free.export_w.ravel().tolist() == [110.0, 0.0]
    assert not free.unknown.any()


def test_no_forecast_is_no_headroom_and_is_told():
    free = headroom([[100.0]], [[[20.0, np.nan]]], [[[10.0, 5.0]]])

    assert free.import_w.ravel().tolist() == [80.0, 0.0]
    assert free.export_w.ravel().tolist() == [110.0, 0.0]
    assert free.unknown.ravel().tolist() == [False, True]


def test_headroom_may_be_negative():
    assert headroom([[100.0]], [[[130.0]]], [[[90.0]]]).import_w[0, 0, 0] == -30.0


@given(arrays(float, (1, 3, 4), elements=watts), arrays(float, (1, 3, 4), elements=st.floats(0, 1e5)), st.floats(0, 5))
def test_the_reserve_is_never_more_than_the_headroom(headroom_w, gap_w, fraction):
    reserve_w = pool_reserve(headroom_w, headroom_w + gap_w, fraction)

    assert (reserve_w >= 0).all()
    assert (reserve_w <= np.maximum(headroom_w, 0)).all()


def _fallback(low_w, high_w, firm_w, direction=Direction.IMPORT):
    """One cable of 60 kW on each of three phases, groups that draw evenly."""
    groups = len(firm_w)
    low, high = (np.broadcast_to(np.asarray(w, float), (1, 3, len(high_w))) for w in (low_w, high_w))
    return fallback(
        np.full((1, 3), 60e3), low, high, np.array([-1]), np.zeros(groups, int), np.full((groups, 3), 1 / 3),
        np.full(groups, 50e3), np.array(firm_w), direction,
    ).allocated_w  # fmt: skip


def test_fallback_is_the_worst_quarter_of_each_hour():
    shares_w = _fallback(0.0, [50e3, 10e3, 10e3, 10e3, 10e3, 20e3, 10e3, 10e3], [1e6])

    np.testing.assert_allclose(shares_w, [[30e3, 120e3]])


def test_fallback_is_never_above_the_firm_part():
    shares_w = _fallback(0.0, [0.0] * 4, [11e3, 0.0])

    assert shares_w.ravel().tolist() == [11e3, 0.0]


def test_fallback_for_generation_is_bound_by_the_smallest_load():
    low_w = [-50e3, 0.0, 0.0, 0.0]

    np.testing.assert_allclose(_fallback(low_w, [0.0] * 4, [1e6], Direction.EXPORT), [[30e3]])
