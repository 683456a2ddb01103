"""Margins: learnt from a series' own errors, monotone in the risk, kept true online."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampacity.forecasting.calibration import (
    BINS,
    LOWER,
    UPPER,
    factors,
    learn_errors,
    new_calibration,
    spread,
    tail_quantile,
)


def learnt(errors, risk=0.01):
    """A state after days of errors (S, days, 96)."""
    state = new_calibration(len(errors))
    for day in range(errors.shape[1]):
        today = errors[:, day, None].astype(np.float32)
        state = learn_errors(state, today, np.isfinite(today), risk, slice(0, 1))
    return state


@given(
    arrays(np.float32, (2, BINS), elements=st.floats(0, 1000, width=32)),
    st.floats(0.0003, 0.2),
    st.floats(1.0, 20.0),
)
def test_a_lower_share_never_lies_lower(histogram, share, times):
    histogram[:, 3] += 1

    low, high = tail_quantile(histogram, np.array(share)), tail_quantile(histogram, np.array(share / times))

    assert (high >= low - 1e-4).all()


@given(st.integers(0, 1000), st.sampled_from([0.001, 0.01, 0.05]))
def test_a_lower_risk_never_gives_a_thinner_margin(seed, risk):
    errors = np.random.default_rng(seed).standard_t(3, (2, 12, 96))
    state = learnt(errors, risk)

    for side in (UPPER, LOWER):
        by_level = np.stack([factors(state, level, side) for level in (0.2, 0.05, 0.01, 0.002, 0.0005)])
        assert (np.diff(by_level, axis=0) >= -1e-4).all()
        assert (by_level >= 0).all()


@pytest.mark.parametrize("risk", [0.01, 0.05])
def test_the_risk_is_held_for_every_size_and_both_sides(risk):
    rng = np.random.default_rng(0)
    shape = 1 + 0.8 * np.sin(np.arange(96) / 96 * 2 * np.pi)
    errors = rng.gumbel(0, 1, (3, 150, 96)) * shape * np.array([0.1, 1, 100])[:, None, None]
    exceeded = np.zeros((2, 3))
    state = new_calibration(3)
    for day in range(150):
        today = errors[:, day]
        if day >= 30:
            up, down = (factors(state, risk, side)[:, :1] * spread(state)[:, 0] for side in (UPPER, LOWER))
            exceeded += [(today > up).mean(axis=1) / 120, (-today > down).mean(axis=1) / 120]
        state = learn_errors(state, today[:, None].astype(np.float32), np.ones((3, 1, 96), bool), risk, slice(0, 1))

    np.testing.assert_allclose(exceeded, risk, rtol=0.25)


def test_after_errors_grow_the_margin_follows():
    rng = np.random.default_rng(1)
    errors = rng.normal(0, 1, (1, 80, 96))
    errors[:, 60:] *= 3

    states = learnt(errors[:, :60]), learnt(errors)
    before, after = (factors(state, 0.01, UPPER)[0, 0] * spread(state)[0, 0].mean() for state in states)

    assert after > 1.8 * before


def test_unknown_values_teach_nothing():
    state = learnt(np.random.default_rng(2).normal(0, 1, (1, 20, 96)))
    nothing = np.full((1, 1, 96), np.nan, np.float32)

    after = learn_errors(state, np.nan_to_num(nothing), np.isfinite(nothing), 0.01, slice(0, 1))

    for name in ("size", "days", "histogram", "lean"):
        np.testing.assert_array_equal(getattr(after, name), getattr(state, name))
