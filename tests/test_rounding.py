"""Whole steps on the wire, and nothing given out twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import hand_out_rest, round_down
from tests.allocation_cases import cases

STEPS_W = [1.0, 10.0, 23.0]


def _rounded(case, step_w, turn):
    exact_w = case.shared().allocated_w
    down_w = round_down(exact_w, step_w)
    given_w = hand_out_rest(
        down_w, exact_w, step_w, case.headroom_w, case.parent, case.element, case.phase_share,
        cap_w=case.cap_w, turn=turn,
    )  # fmt: skip
    return exact_w, down_w, given_w


@given(cases(groups=12), st.sampled_from(STEPS_W), st.integers(0, 1000))
def test_rounding_never_gives_more_than_there_is(case, step_w, turn):
    exact_w, down_w, given_w = _rounded(case, step_w, turn)

    assert (down_w <= exact_w + 1e-7).all()
    assert (case.load_w(given_w) <= np.nan_to_num(np.maximum(case.headroom_w, 0)) + 1e-5).all()
    assert (given_w <= case.cap_w + 1e-7).all()


@given(cases(groups=12), st.sampled_from(STEPS_W), st.integers(0, 1000))
def test_rounding_gives_whole_steps_and_at_most_one_more(case, step_w, turn):
    _, down_w, given_w = _rounded(case, step_w, turn)

    steps = given_w / step_w
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert np.isin(np.round((given_w - down_w) / step_w), [0, 1]).all()


@given(cases(groups=12), st.integers(0, 1000))
def test_no_step_is_left_that_somebody_with_a_remainder_could_have(case, turn):
    exact_w, down_w, given_w = _rounded(case, 1.0, turn)

    spare_w = np.nan_to_num(np.maximum(case.headroom_w, 0)) - case.load_w(given_w)
    for g, t in np.argwhere((given_w == down_w) & (exact_w - down_w > 1e-6) & (down_w + 1 <= case.cap_w)):
        share = case.phase_share[g]
        room = spare_w[case.path(g)][:, share > 0, t] - share[share > 0]
        assert room.min() < 1e-5


def _thirds(turn):
    """10 W for three equal groups: 3 W each, and one watt over."""
    args = np.array([[[10.0]]]), np.array([-1]), np.zeros(3, int), np.ones((3, 1))
    exact_w = np.full((3, 1), 10 / 3)
    return hand_out_rest(round_down(exact_w, 1.0), exact_w, 1.0, *args, cap_w=np.full((3, 1), 9.0), turn=turn).ravel()


def test_equal_remainders_take_turns():
    assert [_thirds(turn).tolist() for turn in range(4)] == [[4, 3, 3], [3, 4, 3], [3, 3, 4], [4, 3, 3]]


def test_the_larger_remainder_comes_first():
    exact_w = np.array([[3.2], [3.8]])

    given_w = hand_out_rest(
        round_down(exact_w, 1.0), exact_w, 1.0, np.array([[[7.0]]]), np.array([-1]), np.zeros(2, int), np.ones((2, 1)),
        cap_w=np.full((2, 1), 9.0), turn=0,
    )  # fmt: skip

    assert given_w.ravel().tolist() == [3.0, 4.0]
