"""What was said is kept where that is safe."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import Smoothing, revisions_per_block, smooth, steady_wish, total_variation_w
from tests.allocation_cases import cases

RULES = Smoothing(frozen_quarters=1, dead_band_fraction=0.02, rise_fraction=0.2)


def _one(new_w, previous_w, *, headroom_w=1000.0, granted_w=None, rules=RULES):
    """One group of 100 W contract on one cable; quarter 0 is frozen."""
    new = np.array([new_w], float)
    smoothed = smooth(
        new, np.array([previous_w], float), headroom_w=np.full((1, 1, new.shape[1]), headroom_w),
        parent=np.array([-1]), element=np.array([0]), phase_share=np.ones((1, 1)), contracted_w=np.array([100.0]),
        one_ampere_w=np.array([1.0]), granted_w=None if granted_w is None else np.array([granted_w]), rules=rules,
    )  # fmt: skip
    return smoothed[0].tolist()


def test_a_fall_passes_at_once():
    assert _one([50.0, 10.0], [50.0, 80.0]) == [50.0, 10.0]


def test_a_near_block_keeps_what_was_said():
    assert _one([10.0, 10.0], [50.0, 50.0]) == [50.0, 10.0]
    assert _one([90.0, 50.0], [50.0, 50.0]) == [50.0, 50.0]


def test_a_near_block_falls_where_the_grid_cannot_carry_it():
    assert _one([10.0, 10.0], [50.0, 50.0], headroom_w=20.0) == [10.0, 10.0]


def test_a_small_rise_stays_out():
    assert _one([50.0, 50.9], [50.0, 50.0]) == [50.0, 50.0]
    assert _one([50.0, 81.0], [50.0, 80.0]) == [50.0, 80.0]


def test_a_large_rise_is_limited():
    assert _one([50.0, 95.0], [50.0, 50.0]) == [50.0, 70.0]


def test_a_grant_passes_everywhere():
    assert _one([90.0, 90.0], [50.0, 50.0], granted_w=[90.0, 90.0]) == [90.0, 90.0]


def test_what_was_never_said_before_is_new():
    assert _one([10.0, 90.0], [np.nan, np.nan]) == [10.0, 90.0]


def test_a_group_that_falls_keeps_a_cushion_so_that_the_next_falls_change_nothing():
    rules = Smoothing(frozen_quarters=1, cushion_fraction=0.1)
    said = _one([50.0, 70.0, 80.0], [50.0, 80.0, 80.0], rules=rules)
    assert said == [50.0, 63.0, 72.0]
    assert _one([50.0, 64.0, 73.0], said, rules=rules) == said


def test_a_cushion_does_not_go_below_what_is_firm_or_granted():
    new, before, rules = (
        np.array([[70.0, 70.0]]),
        np.array([[80.0, 80.0]]),
        Smoothing(frozen_quarters=0, cushion_fraction=0.1),
    )
    said = smooth(
        new, before, headroom_w=np.full((1, 1, 2), 1e3), parent=np.array([-1]), element=np.array([0]),
        phase_share=np.ones((1, 1)), contracted_w=np.array([100.0]), one_ampere_w=np.array([1.0]),
        granted_w=np.array([[np.nan, 69.0]]), firm_w=np.array([65.0]), rules=rules,
    )  # fmt: skip
    assert said.tolist() == [[65.0, 69.0]]


def test_a_wish_stays_while_it_says_much_the_same_and_fits():
    def said(new_w, before_w, capacity_w=100.0):
        new = np.array([new_w])
        capacity = np.full(new.shape, capacity_w)
        return steady_wish(new, np.array([before_w]), capacity, np.array([1.0]), RULES)[0].tolist()

    assert said([50.0, 50.9], [50.5, 50.5]) == [50.5, 50.5]
    assert said([50.0, 53.0], [50.5, 50.5]) == [50.0, 53.0]
    assert said([50.0, 50.0], [50.5, 50.5], capacity_w=50.0) == [50.0, 50.0]
    assert said([50.0, 50.0], [50.5, np.nan]) == [50.5, 50.0]


@given(cases(elements=10, groups=12, quarters=4), cases(elements=10, groups=12, quarters=4), st.integers(0, 3))
def test_the_published_allocation_is_always_carried(case, other, frozen):
    """Whatever was published for another headroom, what is published now fits this one."""
    new_w = case.shared().allocated_w
    previous_w = np.resize(other.shared().allocated_w, new_w.shape)

    published_w = smooth(
        new_w, previous_w, headroom_w=np.nan_to_num(case.headroom_w), parent=case.parent, element=case.element,
        phase_share=case.phase_share, contracted_w=case.weight, one_ampere_w=np.ones(len(case.weight)),
        rules=Smoothing(frozen_quarters=frozen),
    )  # fmt: skip

    assert (case.load_w(published_w) <= np.nan_to_num(np.maximum(case.headroom_w, 0)) + 1e-5).all()


@given(st.integers(0, 2**32 - 1))
def test_publishing_moves_no_more_than_the_headroom_and_rarely(seed):
    """96 rounds with a headroom that jitters by a few percent around a slow day."""
    rng = np.random.default_rng(seed)
    truth_w = 60 + 20 * np.sin(np.arange(96) / 15)
    rounds_w = truth_w * (1 + 0.01 * rng.standard_normal((96, 96)))
    said = np.full((96, 1, 96), np.nan)
    before = np.full(96, np.nan)
    for r in range(96):
        now = slice(r, 96)
        said[r, 0, now] = _one(rounds_w[r, now], before[now], headroom_w=1000.0)
        before = said[r, 0]

    raw = np.where(np.isnan(said), np.nan, rounds_w[:, None])
    assert total_variation_w(said) < 0.75 * total_variation_w(raw)
    assert revisions_per_block(said) < 0.5 * revisions_per_block(raw, at_least_w=0.1)
