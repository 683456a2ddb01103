"""What a provider and a regulator are told."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import Allocation, entitlement, explain, fairness, in_words, stranded_w, weighted_jain
from tests.allocation_cases import Case, aligned, cases, split_group


def _told(case: Case, group: int) -> list[str]:
    headroom_w = np.nan_to_num(case.headroom_w)
    entitled_w = entitlement(
        headroom_w, case.parent, case.element, case.phase_share, case.weight, np.zeros(len(case.weight))
    )
    shared = case.shared()
    words = []
    for t in range(case.cap_w.shape[1]):
        told = explain(group, t, shared, entitled_w, case.element, case.weight)
        binding = None if told.bound_by < 0 else f"cable {told.bound_by}"
        words.append(in_words(told, f"cable {told.element}", binding))
    return words


@given(cases(), st.data())
def test_nothing_told_depends_on_who_the_others_are(case, data):
    """The others' contracts may be split, renamed or listed otherwise: no word changes."""
    group = data.draw(st.integers(0, len(case.element) - 1))
    other = data.draw(st.integers(0, len(case.element) - 1))

    split = split_group(case, other, 0.5) if other != group else case

    assert _told(case, group) == _told(split, group)


def test_lent_and_borrowed_are_told_as_such():
    case = Case(
        np.full((1, 3, 1), 20e3), np.array([-1]), np.array([0, 0]), np.full((2, 3), 1 / 3),
        np.array([40e3, 40e3]), np.zeros((2, 1)), np.array([[10e3], [90e3]]),
    )  # fmt: skip

    assert _told(case, 0) == ["10 kW: your 50 % of cable 0, as much as you may or asked to use; 20 kW lent to others"]
    assert _told(case, 1) == ["50 kW: your 50 % of cable 0, bound by cable 0 on phase 1; 20 kW lent by others"]


@given(cases(groups=12))
def test_who_is_stopped_at_one_place_is_treated_alike(case):
    assert weighted_jain(case.shared(), case.weight) > 1 - 1e-9


@given(cases(groups=12))
def test_nothing_is_stranded(case):
    room_w = np.nan_to_num(case.headroom_w)

    left_w = stranded_w(case.shared(), case.cap_w, room_w, case.parent, case.element, case.phase_share)

    assert left_w.max() < 1e-5


def test_what_is_stranded_is_found():
    shared = Allocation(
        np.array([[5.0], [2.0]]), np.zeros((2, 1), np.int32), np.zeros((2, 1), np.int8), np.ones((2, 1))
    )

    left_w = stranded_w(
        shared, np.array([[9.0], [2.0]]), np.full((1, 1, 1), 10.0), np.array([-1]), np.array([0, 0]), np.ones((2, 1))
    )

    assert left_w.ravel().tolist() == [3.0, 0.0]


@given(cases(groups=10, quarters=4))
def test_on_one_place_what_is_lent_is_what_is_borrowed_or_left(case):
    case = aligned(case)
    room_w = np.nan_to_num(np.maximum(case.headroom_w, 0))
    entitled_w = entitlement(room_w, case.parent, case.element, case.phase_share, case.weight, 0 * case.weight)
    cap_w = np.minimum(case.cap_w, case.weight[:, None])
    shared = case.shared(floor_w=0 * cap_w, cap_w=cap_w)
    provider = np.arange(len(case.weight)) % 3

    told = fairness(shared.allocated_w, shared.bound_by, entitled_w, case.weight, shared.allocated_w, provider)

    np.testing.assert_allclose(told.entitled_wh - told.lent_wh + told.borrowed_wh, told.held_wh, atol=1e-6)
    np.testing.assert_allclose(told.held_wh.sum(), shared.allocated_w.sum() / 4, atol=1e-6)
    assert (told.worst_regret_w < 1e-6).all()  # who is stopped by the grid never has less than its entitlement


def test_a_silent_provider_lends_and_is_not_short():
    held_w = np.array([[10.0, 10.0], [50.0, 30.0]])
    entitled_w = np.full((2, 2), 30.0)

    told = fairness(
        held_w, np.array([[-1, -1], [0, 0]]), entitled_w, np.array([60.0, 60.0]), held_w * np.nan, np.array([0, 1])
    )

    assert told.lent_wh.tolist() == [10.0, 0.0]
    assert told.borrowed_wh.tolist() == [0.0, 5.0]
    assert told.curtailed_wh.tolist() == [0.0, 10.0]
    assert told.part_of_entitlement.round(4).tolist() == [0.3333, 1.3333]
