"""Non-controllable load is what was measured less what providers drew; what is not known is marked."""

import numpy as np
import pytest

from ampacity.network.settling import Mark, known_use, settle

LIMIT_W = np.array([[1000.0, 1000.0, 0.0]])


def loads(*values: float) -> np.ndarray:
    return np.repeat(np.array(values, np.float32)[None, None, :], 3, axis=1)


def test_flexible_use_is_subtracted():
    settled = settle(loads(500, 800), loads(100, 0), LIMIT_W)

    assert settled.load_w[0, 0].tolist() == [400, 800]


@pytest.mark.parametrize(
    ("measured_w", "used_w", "mark"),
    [(np.nan, 0, Mark.GAP), (3001, 0, Mark.IMPLAUSIBLE), (-3001, 0, Mark.IMPLAUSIBLE), (500, np.nan, Mark.USE_UNKNOWN)],
)
def test_what_cannot_be_used_is_marked_and_never_filled(measured_w, used_w, mark):
    settled = settle(loads(measured_w), loads(used_w), LIMIT_W)

    assert np.isnan(settled.load_w[0, 0, 0])
    assert settled.mark[0, 0, 0] == mark
    assert settled.counts()[mark.name.lower()] == 2


def test_a_phase_that_an_element_lacks_is_neither_load_nor_gap():
    settled = settle(loads(500), loads(0), LIMIT_W)

    assert np.isnan(settled.load_w[0, 2, 0])
    assert settled.mark[0, 2, 0] == Mark.NONE


def test_a_group_that_never_reported_drew_nothing_and_one_that_stopped_is_unknown():
    reported_w = np.stack([loads(np.nan, np.nan, np.nan)[0], loads(np.nan, 7, np.nan)[0]])

    used_w = known_use(reported_w)

    assert used_w[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_equal(used_w[1, 0], [0, 7, np.nan])
