"""Decisions on requests for more capacity, and returns of it, a whole gate at once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from ampacity.allocation.allocate import Allocation, allocate
from ampacity.allocation.forest import Bools, Floats, Ints
from ampacity.allocation.loading import TOLERANCE_W, element_load_w
from ampacity.errors import Unsuitable


class Status(StrEnum):
    """What a request came to."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    RETURNED = "returned"


class Reason(StrEnum):
    """Why."""

    MET = "met"  # all that was asked
    GIVEN_BACK = "given_back"  # it asked for less than it holds
    GRID = "grid"  # an element carries no more
    CONTRACT = "contract"  # it asked for more than its contract
    CEILING = "ceiling"  # more than one provider may have at once between gates
    ALL_OR_NOTHING = "all_or_nothing"  # it could be met in part, and wants all or nothing


class Order(StrEnum):
    """Who is served first at a gate."""

    FAIR = "fair"  # all together, by the filling
    FIRST_COME = "first_come"  # in the order of the batch


@dataclass(frozen=True, slots=True)
class Requests:
    """R requests of different groups; a wanted total per quarter, NaN where nothing is asked."""

    group: Ints  # (R,)
    wanted_w: Floats  # (R, T)
    all_or_nothing: Bools  # (R,)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What each request came to, in the order of the requests."""

    granted_w: Floats  # (R, T) the total now held; NaN where nothing was asked
    status: tuple[Status, ...]
    reason: tuple[Reason, ...]
    bound_by: Ints  # (R,) the element that binds at the worst quarter, -1 where none does
    bound_quarter: Ints  # (R,) that quarter, -1 where none
    held_w: Floats  # (G, T) what all groups hold afterwards


def decide_requests(
    requests: Requests,
    held_w: Floats,
    headroom_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    contracted_w: Floats,
    *,
    firm_w: Floats | None = None,
    order: Order = Order.FAIR,
    ceiling_w: Floats | None = None,
) -> Decisions:
    """Grant what was asked as far as the grid allows, by the same filling for all.

    Below what is held is a return: accepted, and open to the others at once.  Up to what a
    group is entitled to (its share if all used their contracts) it gets all it asks for;
    what others hold beyond their own entitlement is lent, and comes back for it.  What is
    left, the pool included, is filled by contract among those who hold or ask for more
    than they are entitled to: so neither asking early nor asking often gains anything.
    Who wants all or nothing and cannot be met steps back, the least met first.

    Args:
        requests: At most one per group.
        held_w: What each group holds, grants included [W], shape (G, T).
        headroom_w: All that may be given out, the pool included [W], shape (E, P, T).
        parent, element, phase_share: As in `allocate`.
        contracted_w: No total goes beyond it [W], shape (G,).
        firm_w: Firm parts [W], shape (G,); none by default.
        order: FIRST_COME serves the requests one after the other as they stand, from what nobody holds.
        ceiling_w: The most that each request may be given in addition [W], shape (R,): the instant path.

    Raises:
        Unsuitable: a group asks twice, or for a number that is no power.
    """
    _check(requests)
    contract_w = contracted_w[requests.group][:, None]
    mine_w = held_w[requests.group]
    asked = ~np.isnan(requests.wanted_w)
    wanted_w = np.where(asked, requests.wanted_w, mine_w)
    claim_w = np.minimum(wanted_w, np.maximum(contract_w, mine_w))
    if ceiling_w is not None:
        claim_w = np.minimum(claim_w, mine_w + ceiling_w[:, None])
    grid = _Grid(
        headroom_w,
        parent,
        element,
        phase_share,
        contracted_w,
        np.zeros_like(contracted_w) if firm_w is None else firm_w,
    )
    gate = _Gate(requests, held_w, np.maximum(claim_w, 0.0), wanted_w)
    after_w, bound_by, stepped_back = _decided(grid, gate, order)
    over_contract: Bools = np.any(wanted_w > np.maximum(contract_w, mine_w) + TOLERANCE_W, axis=1)
    return _told(gate, after_w, bound_by, over_contract, stepped_back, has_ceiling=ceiling_w is not None)


@dataclass(frozen=True, slots=True)
class _Grid:
    headroom_w: Floats
    parent: Ints
    element: Ints
    phase_share: Floats
    contracted_w: Floats
    firm_w: Floats

    def filled(self, room_w: Floats, cap_w: Floats, floor_w: Floats | None = None) -> Allocation:
        floor = np.zeros_like(cap_w) if floor_w is None else floor_w
        return allocate(room_w, self.parent, self.element, self.phase_share, self.contracted_w, floor, cap_w)

    def entitled_w(self) -> Floats:
        """What each group would have if all used their contracts, shape (G, T)."""
        quarters = self.headroom_w.shape[2]
        contract_w, firm_w = (np.repeat(w[:, None], quarters, axis=1) for w in (self.contracted_w, self.firm_w))
        return self.filled(self.headroom_w, contract_w, firm_w).allocated_w

    def left_w(self, taken_w: Floats) -> Floats:
        return self.headroom_w - element_load_w(taken_w, self.parent, self.element, self.phase_share)


@dataclass(frozen=True, slots=True)
class _Gate:
    requests: Requests
    held_w: Floats  # (G, T)
    claim_w: Floats  # (R, T) the total that each request may come to
    wanted_w: Floats  # (R, T) what it asks for, what is held where it asks for nothing

    def claims_w(self, without: Bools) -> Floats:
        """What every group holds or may come to (G, T); requests that stepped back keep what they hold."""
        claims = self.held_w.copy()
        mine = self.held_w[self.requests.group]
        claims[self.requests.group] = np.where(without[:, None], np.minimum(mine, self.claim_w), self.claim_w)
        return claims


def _decided(grid: _Grid, gate: _Gate, order: Order) -> tuple[Floats, Ints, Bools]:
    """What all groups hold afterwards (G, T), what binds each request (R, T), which requests stepped back (R,).

    Only the trees and the quarters that are asked about are decided on.
    """
    after_w = gate.held_w.copy()
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    quarters = np.flatnonzero((~np.isnan(gate.requests.wanted_w)).any(axis=0))
    if quarters.size == 0:
        return after_w, bound_by, np.zeros(len(gate.requests.group), bool)
    part, elements, groups = _trees(grid, gate.requests.group, quarters)
    place = np.full(len(grid.element), -1)
    place[groups] = np.arange(len(groups))
    small = _Gate(
        Requests(place[gate.requests.group], gate.requests.wanted_w[:, quarters], gate.requests.all_or_nothing),
        gate.held_w[np.ix_(groups, quarters)], gate.claim_w[:, quarters], gate.wanted_w[:, quarters],
    )  # fmt: skip
    match order:
        case Order.FAIR:
            small_w, bound, out = _together(part, small)
        case Order.FIRST_COME:
            small_w, bound, out = _one_by_one(part, small)
        case _:
            assert_never(order)
    after_w[np.ix_(groups, quarters)] = small_w
    bound_by[:, quarters] = np.where(bound >= 0, elements[bound], -1)
    return after_w, bound_by, out


def _trees(grid: _Grid, asking: Ints, quarters: Ints) -> tuple[_Grid, Ints, Ints]:
    """The trees in which somebody asks, and which elements and groups these are."""
    root = np.arange(len(grid.parent))
    while (up := grid.parent[root] >= 0).any():
        root[up] = grid.parent[root[up]]
    touched = np.zeros(len(root), bool)
    touched[root[grid.element[asking]]] = True
    elements = np.flatnonzero(touched[root])
    groups = np.flatnonzero(touched[root[grid.element]])
    place = np.full(len(root) + 1, -1)
    place[elements] = np.arange(len(elements))
    part = _Grid(
        grid.headroom_w[elements][:, :, quarters], place[grid.parent[elements]], place[grid.element[groups]],
        grid.phase_share[groups], grid.contracted_w[groups], grid.firm_w[groups],
    )  # fmt: skip
    return part, elements, groups


def _together(grid: _Grid, gate: _Gate) -> tuple[Floats, Ints, Bools]:
    entitled_w = grid.entitled_w()
    out = np.zeros(len(gate.requests.group), bool)
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    while True:
        claims_w = gate.claims_w(out)
        base_w = np.minimum(claims_w, entitled_w)
        lent = grid.filled(grid.left_w(base_w), claims_w - base_w)
        after_w = base_w + lent.allocated_w
        bound_by = np.where(out[:, None], bound_by, lent.bound_by[gate.requests.group])
        met = _met(gate, after_w[gate.requests.group])
        unmet = gate.requests.all_or_nothing & ~out & (met < 1.0)
        if not unmet.any():
            return after_w, bound_by, out
        out |= unmet & (met <= met[unmet].min())


def _one_by_one(grid: _Grid, gate: _Gate) -> tuple[Floats, Ints, Bools]:
    out = np.zeros(len(gate.requests.group), bool)
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    after_w = gate.claims_w(np.ones_like(out))
    room_w = grid.left_w(after_w)
    for r, g in enumerate(gate.requests.group):
        more_w, bound_by[r], path = _along_path(grid, int(g), gate.claim_w[r] - after_w[g], room_w)
        out[r] = (
            gate.requests.all_or_nothing[r]
            and _met(gate, after_w[gate.requests.group] + _row(r, more_w, gate))[r] < 1.0
        )
        if not out[r]:
            after_w[g] += more_w
            room_w[path] -= grid.phase_share[g][:, None] * more_w
    return after_w, bound_by, out


def _row(r: int, more_w: Floats, gate: _Gate) -> Floats:
    rows = np.zeros_like(gate.claim_w)
    rows[r] = more_w
    return rows


def _along_path(grid: _Grid, g: int, more_w: Floats, room_w: Floats) -> tuple[Floats, Ints, list[int]]:
    """What one group gets of the room, what binds it per quarter, and the elements on its path."""
    given_w, bound_by, path = more_w.copy(), np.full(more_w.shape, -1, np.int64), []
    at = int(grid.element[g])
    while at >= 0:
        path.append(at)
        for p in np.flatnonzero(grid.phase_share[g] > 0):
            most_w = np.maximum(room_w[at, p], 0.0) / grid.phase_share[g, p]
            bound_by[most_w < given_w] = at
            given_w = np.minimum(given_w, most_w)
        at = int(grid.parent[at])
    return given_w, bound_by, path


def _met(gate: _Gate, after_w: Floats) -> Floats:
    """The part of the additional energy that is given, 1 where every quarter is met, shape (R,)."""
    mine_w = gate.held_w[gate.requests.group]
    wanted = np.maximum(gate.wanted_w - mine_w, 0.0)
    every = ((after_w >= gate.wanted_w - TOLERANCE_W) | (gate.wanted_w <= mine_w)).all(axis=1)
    more = np.clip(after_w - mine_w, 0.0, None).sum(axis=1)
    part = more / np.maximum(wanted.sum(axis=1), TOLERANCE_W)
    met: Floats = np.where(every, 1.0, np.minimum(part, 1.0 - 1e-12))
    return met


def _told(
    gate: _Gate, after_w: Floats, bound_by: Ints, over_contract: Bools, stepped_back: Bools, *, has_ceiling: bool
) -> Decisions:
    requests = gate.requests
    asked = ~np.isnan(requests.wanted_w)
    mine_w, got_w = gate.held_w[requests.group], after_w[requests.group]
    asks_more: Bools = np.any(asked & (gate.wanted_w > mine_w + TOLERANCE_W), axis=1)
    gives_back: Bools = np.any(asked & (gate.wanted_w < mine_w - TOLERANCE_W), axis=1)
    short_w = np.where(asked, gate.wanted_w - got_w, 0.0)
    short: Bools = np.any(short_w > TOLERANCE_W, axis=1)
    got: Bools = np.any(asked & (got_w > mine_w + TOLERANCE_W), axis=1)
    rows = np.arange(len(requests.group))
    binds = (short_w > TOLERANCE_W) & (bound_by >= 0)
    grid: Bools = np.any(binds, axis=1)
    worst = np.argmax(np.where(binds, short_w, -1.0), axis=1) if short_w.shape[1] else np.zeros(len(rows), np.int64)
    told = [
        _verdict(
            asks_more=bool(asks_more[r]),
            gives_back=bool(gives_back[r]),
            short=bool(short[r]),
            got=bool(got[r]),
            why=_why(bool(stepped_back[r]), bool(grid[r]), bool(over_contract[r]), has_ceiling),
        )
        for r in rows
    ]
    return Decisions(
        granted_w=np.where(asked, got_w, np.nan),
        status=tuple(status for status, _ in told),
        reason=tuple(reason for _, reason in told),
        bound_by=np.where(grid, bound_by[rows, worst], -1) if short_w.shape[1] else np.full(len(rows), -1),
        bound_quarter=np.where(grid, worst, -1),
        held_w=after_w,
    )


def _why(stepped_back: bool, grid: bool, over_contract: bool, ceiling: bool) -> Reason:
    if stepped_back:
        return Reason.ALL_OR_NOTHING
    if grid:
        return Reason.GRID
    return Reason.CEILING if ceiling and not over_contract else Reason.CONTRACT


def _verdict(*, asks_more: bool, gives_back: bool, short: bool, got: bool, why: Reason) -> tuple[Status, Reason]:
    if gives_back and not asks_more:
        return Status.RETURNED, Reason.GIVEN_BACK
    if not short:
        return Status.GRANTED, Reason.MET
    return (Status.PARTLY if got else Status.REFUSED), why


def _check(requests: Requests) -> None:
    faults = []
    groups, times = np.unique(requests.group, return_counts=True)
    if (times > 1).any():
        faults.append(
            f"group {int(groups[times > 1][0])} asks {int(times.max())} times: the last one counts, leave one"
        )
    wrong = np.isinf(requests.wanted_w) | (requests.wanted_w < 0)
    if wrong.any():
        r, t = (int(i) for i in np.argwhere(wrong)[0])
        faults.append(f"wanted_w[{r}, {t}]: is {requests.wanted_w[r, t]}, must be 0 or more and finite")
    if faults:
        raise Unsuitable(faults)
