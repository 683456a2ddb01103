"""Parents and children: medians add up, margins do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.forecasting import LoadForecast
from ampacity.forecasting.rollup import UNKNOWN_CORRELATION, correlation_of, disagreement, rolled_up, shared_out
from ampacity.timegrid import Window

LEVELS = (0.01, 0.5, 0.99)


def forecast(median_w, margin_w):
    """Elements with the same margins up and down, (E,) each."""
    median = np.broadcast_to(np.array(median_w, np.float32)[:, None, None], (len(median_w), 3, 4))
    margin = np.broadcast_to(np.array(margin_w, np.float32)[:, None, None], median.shape)
    load_w = np.stack([median - margin, median, median + margin])
    return LoadForecast(
        window=Window(0, 4), levels=LEVELS, load_w=load_w, source=np.full((len(median_w), 3), 4, np.int8)
    )


@given(st.lists(st.floats(1, 1e5), min_size=2, max_size=6), st.floats(0, 1))
def test_the_margin_of_a_sum_lies_between_root_and_sum(margins, correlation):
    given_forecast = forecast([100.0] * len(margins), margins)

    found = rolled_up(given_forecast, np.ones(len(margins), bool), correlation)

    margin = (found[2] - found[1])[0, 0]
    assert found[1][0, 0] == pytest.approx(100 * len(margins))
    assert np.sqrt(np.sum(np.square(margins))) * 0.999 - 0.1 <= margin <= sum(margins) * 1.001 + 0.1
    assert (np.diff(found, axis=0) >= 0).all()


def test_the_sum_of_alike_errors_holds_its_quantile():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 1, (1, 40_000))
    errors = np.sqrt(0.4) * common + np.sqrt(0.6) * rng.normal(0, 1, (5, 40_000))

    found = rolled_up(forecast([0.0] * 5, [2.326] * 5), np.ones(5, bool), 0.4)

    assert (errors.sum(axis=0) > found[2][0, 0]).mean() == pytest.approx(0.01, abs=0.003)


def test_how_alike_loads_are_is_learnt_from_them():
    rng = np.random.default_rng(0)
    shape = np.tile(np.sin(np.arange(96)), 40)
    common = rng.normal(0, 1, 40 * 96)
    own = rng.normal(0, 1, (6, 40 * 96))

    found = correlation_of((10 * shape + np.sqrt(0.3) * common + np.sqrt(0.7) * own).astype(np.float32))

    assert found == pytest.approx(0.3, abs=0.05)
    assert correlation_of(own.astype(np.float32)) < 0.03
    assert correlation_of(own[:, : 3 * 96].astype(np.float32)) == UNKNOWN_CORRELATION


def test_parts_of_a_parent_add_up_to_its_median():
    parent = forecast([900.0], [90.0])

    found = shared_out(parent.load_w[:, 0], LEVELS, np.array([0.25, 0.75]))

    np.testing.assert_allclose(found[1].sum(axis=0), 900, rtol=1e-6)
    assert found[2, 0, 0, 0] - found[1, 0, 0, 0] == pytest.approx(45)


def test_a_parent_that_its_children_contradict_is_seen():
    given_forecast = forecast([500.0, 100.0, 100.0], [10.0, 20.0, 20.0])

    summed = rolled_up(given_forecast, np.array([False, True, True]), 0.0)

    assert disagreement(given_forecast, 0, summed).tolist() == [1.0, 1.0, 1.0]
    assert disagreement(forecast([205.0, 100.0, 100.0], [10.0, 20.0, 20.0]), 0, summed).tolist() == [0.0, 0.0, 0.0]
