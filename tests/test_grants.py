"""What a grant is worth when the grid is shared anew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import is_unused, share_with_grants
from tests.allocation_cases import cases, seeds


def _shared(granted, *, cap=(60.0, 60.0), pool=20.0, firm=(0.0, 0.0)):
    """Two equal groups on a cable of 100 W, of which a pool is kept."""
    column = [np.array(values, float)[:, None] for values in (firm, cap, granted)]
    shared = share_with_grants(
        np.full((1, 1, 1), 100.0), np.full((1, 1, 1), pool), np.array([-1]), np.array([0, 0]), np.ones((2, 1)),
        np.array([60.0, 60.0]), *column,
    )  # fmt: skip
    return shared.allocated_w.ravel().tolist()


def test_the_pool_is_kept_for_those_who_ask():
    assert _shared([np.nan, np.nan]) == [40.0, 40.0]


def test_a_grant_is_filled_from_the_pool():
    assert _shared([55.0, np.nan]) == [55.0, 40.0]


def test_a_grant_is_no_floor_from_which_its_group_rises_further():
    assert _shared([40.0, np.nan], pool=0.0) == [50.0, 50.0]


def test_a_grant_lives_on_what_others_do_not_want():
    assert _shared([60.0, np.nan], cap=(60.0, 10.0)) == [60.0, 10.0]
    assert _shared([60.0, np.nan], cap=(60.0, 50.0), pool=0.0) == [50.0, 50.0]


def test_a_grant_lifts_a_cap_that_came_from_history():
    assert _shared([40.0, np.nan], cap=(20.0, 60.0)) == [40.0, 40.0]


def test_the_pool_does_not_stand_above_firm_parts():
    assert _shared([np.nan, np.nan], firm=(50.0, 50.0), cap=(60.0, 60.0), pool=20.0) == [50.0, 50.0]


@given(cases(), seeds(), st.floats(0, 1))
def test_shares_and_grants_never_exceed_the_headroom(case, rng, part):
    granted_w = np.where(rng.random(case.cap_w.shape) < 0.5, rng.random(case.cap_w.shape) * 100, np.nan)
    room_w = np.nan_to_num(np.maximum(case.headroom_w, 0.0))

    shared = share_with_grants(
        room_w, room_w * part, case.parent, case.element, case.phase_share, case.weight, case.floor_w, case.cap_w,
        granted_w,
    )  # fmt: skip

    assert (case.load_w(shared.allocated_w) <= room_w + 1e-6).all()
    assert (shared.allocated_w <= np.fmax(case.cap_w, granted_w) + 1e-9).all()


def test_a_grant_that_is_not_used_for_two_blocks_lapses():
    use_w = np.array([[10.0, 20.0], [10.0, 80.0], [np.nan, 0.0], [0.0, 0.0]])
    held_w = np.array([[100.0, 100.0], [100.0, 100.0], [100.0, 100.0], [50.0, 50.0]])

    assert is_unused(use_w, held_w).tolist() == [True, False, False, False]
