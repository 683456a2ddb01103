"""Requests of a gate, decided together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import Order, Reason, Requests, Status, decide_requests
from ampacity.errors import Unsuitable
from tests.allocation_cases import cases


@st.composite
def gates(draw):
    """A grid, what everybody holds of half its headroom, and requests from some of the groups."""
    case = draw(cases(elements=10, groups=10, quarters=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    held_w = case.shared(headroom_w=case.headroom_w * 0.5).allocated_w
    groups = np.flatnonzero(rng.random(len(case.element)) < 0.7)
    wanted_w = np.where(rng.random((len(groups), held_w.shape[1])) < 0.2, np.nan, rng.random((len(groups), 1)) * 100)
    requests = Requests(groups, wanted_w, rng.random(len(groups)) < 0.3)
    return case, held_w, requests, rng


def decide(case, held_w, requests, **rules):
    room_w = np.nan_to_num(case.headroom_w)
    return decide_requests(
        requests, held_w, room_w, case.parent, case.element, case.phase_share, contracted_w=case.weight, **rules
    )


orders = st.sampled_from(list(Order))


@given(gates(), orders)
def test_grants_never_exceed_the_headroom(gate, order):
    case, held_w, requests, _ = gate

    after_w = decide(case, held_w, requests, order=order).held_w

    assert (case.load_w(after_w) <= np.nan_to_num(np.maximum(case.headroom_w, 0)) + 1e-5).all()


@given(gates(), orders)
def test_nobody_holds_more_than_it_asked_for_nor_less_than_it_is_entitled_to(gate, order):
    """What is held beyond the share that one has when all use their contracts is lent, and may be called back."""
    case, held_w, requests, _ = gate
    contract_w = np.repeat(case.weight[:, None], held_w.shape[1], axis=1)
    entitled_w = case.shared(floor_w=np.zeros_like(contract_w), cap_w=contract_w).allocated_w
    safe_w = np.minimum(held_w, entitled_w) if order is Order.FAIR else held_w

    decided = decide(case, held_w, requests, order=order)

    for r, g in enumerate(requests.group):
        wanted_w, mine_w, got_w = requests.wanted_w[r], held_w[g], decided.held_w[g]
        asked = ~np.isnan(wanted_w)
        assert (got_w[~asked] <= mine_w[~asked] + 1e-9).all()
        assert (got_w[~asked] >= safe_w[g][~asked] - 1e-8).all()
        assert (got_w[asked] <= np.maximum(wanted_w, 0)[asked] + 1e-9).all()
        assert (got_w[asked] >= np.minimum(wanted_w, safe_w[g])[asked] - 1e-8).all()
        assert np.array_equal(decided.granted_w[r], np.where(asked, got_w, np.nan), equal_nan=True)
    others = np.setdiff1d(np.arange(len(held_w)), requests.group)
    assert (decided.held_w[others] <= held_w[others] + 1e-9).all()
    assert (decided.held_w[others] >= safe_w[others] - 1e-8).all()


@given(gates())
def test_the_order_in_a_gate_does_not_matter(gate):
    case, held_w, requests, rng = gate
    shuffle = rng.permutation(len(requests.group))
    other = Requests(requests.group[shuffle], requests.wanted_w[shuffle], requests.all_or_nothing[shuffle])

    here, there = decide(case, held_w, requests), decide(case, held_w, other)

    assert here.held_w.tobytes() == there.held_w.tobytes()
    assert [here.status[i] for i in shuffle] == list(there.status)
    assert [here.reason[i] for i in shuffle] == list(there.reason)
    assert here.bound_by[shuffle].tolist() == there.bound_by.tolist()


@given(gates(), orders)
def test_all_or_nothing_is_all_or_nothing(gate, order):
    case, held_w, requests, _ = gate

    decided = decide(case, held_w, requests, order=order)

    for r in np.flatnonzero(requests.all_or_nothing):
        assert decided.status[r] is not Status.PARTLY


@given(gates(), orders)
def test_the_status_says_what_happened(gate, order):
    case, held_w, requests, _ = gate

    decided = decide(case, held_w, requests, order=order)

    for r, g in enumerate(requests.group):
        asked = ~np.isnan(requests.wanted_w[r])
        short_w = (requests.wanted_w[r] - decided.held_w[g])[asked]
        rise_w = (decided.held_w[g] - held_w[g])[asked]
        match decided.status[r]:
            case Status.GRANTED:
                assert (short_w <= 1e-6).all()
            case Status.RETURNED:
                assert (rise_w <= 1e-6).all()
                assert (rise_w < -1e-6).any()
            case Status.PARTLY:
                assert (short_w > 1e-6).any()
                assert (rise_w > 1e-6).any()
            case Status.REFUSED:
                assert (short_w > 1e-6).any()
                assert (rise_w <= 1e-6).all()


@given(gates())
def test_asking_for_more_than_one_needs_gains_nothing(gate):
    case, held_w, requests, rng = gate
    if len(requests.group) == 0:
        return
    requests = Requests(requests.group, requests.wanted_w, np.zeros(len(requests.group), bool))
    r = int(rng.integers(len(requests.group)))
    over = requests.wanted_w.copy()
    over[r] *= 1 + rng.random() * 3

    honest_w = decide(case, held_w, requests).held_w[requests.group[r]]
    greedy_w = decide(case, held_w, Requests(requests.group, over, requests.all_or_nothing)).held_w[requests.group[r]]

    useful_w = np.minimum(greedy_w, np.where(np.isnan(requests.wanted_w[r]), np.inf, requests.wanted_w[r]))
    assert (useful_w <= honest_w + 1e-8).all()


def _cable(wanted, held, *, whole=None, headroom_w=100.0, contract_w=80.0, **rules):
    """Groups on one cable, one quarter."""
    n = len(held)
    asked = [g for g, w in enumerate(wanted) if w is not None]
    requests = Requests(
        np.array(asked, np.int64), np.array([[wanted[g]] for g in asked], float),
        np.array([bool(whole and whole[g]) for g in asked]),
    )  # fmt: skip
    return decide_requests(
        requests, np.array(held, float)[:, None], np.full((1, 1, 1), headroom_w), np.array([-1]),
        np.zeros(n, np.int64), np.ones((n, 1)), np.full(n, contract_w), **rules,
    )  # fmt: skip


def test_what_one_returns_another_gets_in_the_same_gate():
    decided = _cable([10.0, 80.0], [50.0, 50.0])

    assert decided.held_w.ravel().tolist() == [10.0, 80.0]
    assert decided.status == (Status.RETURNED, Status.GRANTED)
    assert decided.reason == (Reason.GIVEN_BACK, Reason.MET)


def test_a_part_is_granted_with_the_element_that_binds():
    decided = _cable([70.0, 70.0], [30.0, 30.0])

    assert decided.held_w.ravel().tolist() == [50.0, 50.0]
    assert decided.status == (Status.PARTLY, Status.PARTLY)
    assert decided.reason == (Reason.GRID, Reason.GRID)
    assert decided.bound_by.tolist() == [0, 0]
    assert decided.bound_quarter.tolist() == [0, 0]


@given(gates())
def test_what_one_is_entitled_to_is_granted_at_once(gate):
    case, held_w, requests, _ = gate
    requests = Requests(requests.group, requests.wanted_w, np.zeros(len(requests.group), bool))
    contract_w = np.repeat(case.weight[:, None], held_w.shape[1], axis=1)
    entitled_w = case.shared(floor_w=np.zeros_like(contract_w), cap_w=contract_w).allocated_w[requests.group]

    granted_w = decide(case, held_w, requests).granted_w

    asked = ~np.isnan(requests.wanted_w)
    assert (granted_w >= np.minimum(requests.wanted_w, entitled_w) - 1e-8)[asked].all()


def test_what_is_lent_comes_back_when_its_owner_asks():
    decided = _cable([None, 50.0], [80.0, 20.0])

    assert decided.held_w.ravel().tolist() == [50.0, 50.0]
    assert decided.status == (Status.GRANTED,)


def test_a_full_cable_refuses():
    decided = _cable([60.0, None], [50.0, 50.0])

    assert decided.status == (Status.REFUSED,)
    assert decided.reason == (Reason.GRID,)


def test_nobody_gets_more_than_its_contract():
    decided = _cable([95.0, None], [10.0, 0.0])

    assert decided.granted_w.ravel().tolist() == [80.0]
    assert (decided.status, decided.reason) == ((Status.PARTLY,), (Reason.CONTRACT,))


def test_who_wants_all_or_nothing_steps_back_for_the_others():
    decided = _cable([70.0, 60.0], [30.0, 30.0], whole=[True, False])

    assert decided.held_w.ravel().tolist() == [30.0, 60.0]
    assert decided.status == (Status.REFUSED, Status.GRANTED)
    assert decided.reason == (Reason.ALL_OR_NOTHING, Reason.MET)


def test_the_instant_path_has_a_ceiling():
    decided = _cable([70.0, None], [30.0, 30.0], ceiling_w=np.array([5.0]))

    assert decided.granted_w.ravel().tolist() == [35.0]
    assert (decided.status, decided.reason) == ((Status.PARTLY,), (Reason.CEILING,))


def test_first_come_first_served_where_that_is_the_policy():
    decided = _cable([70.0, 70.0], [30.0, 30.0], order=Order.FIRST_COME)

    assert decided.held_w.ravel().tolist() == [70.0, 30.0]
    assert decided.status == (Status.GRANTED, Status.REFUSED)


def test_a_group_asks_once_in_a_gate():
    requests = Requests(np.array([0, 0]), np.array([[1.0], [2.0]]), np.array([False, False]))

    with pytest.raises(Unsuitable, match="group 0 asks 2 times"):
        decide_requests(
            requests, np.zeros((1, 1)), np.ones((1, 1, 1)), np.array([-1]), np.array([0]), np.ones((1, 1)), np.ones(1)
        )
