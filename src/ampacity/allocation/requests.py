"""Decisions on requests for more capacity, and returns of it, a whole gate at once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from ampacity.allocation.allocate import allocate
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
    order: Order = Order.FAIR,
    ceiling_w: Floats | None = None,
) -> Decisions:
    """Grant what was asked as far as the grid allows, by the same filling for all.

    Below what is held is a return: accepted, and open to the others at once.  Above, the
    additional power is filled from what is unallocated, the pool included, weighted by
    contract.  Who wants all or nothing and cannot be met steps back, the least met
    first, and what it would have had goes to the others.

    Args:
        requests: At most one per group.
        held_w: What each group holds, grants included [W], shape (G, T).
        headroom_w: All that may be given out, the pool included [W], shape (E, P, T).
        parent, element, phase_share: As in `allocate`.
        contracted_w: No total goes beyond it [W], shape (G,).
        order: FIRST_COME serves the requests one after the other as they stand.
        ceiling_w: The most that each request may be given in addition [W], shape (R,): the instant path.

    Raises:
        Unsuitable: a group asks twice, or for a number that is no power.
    """
    _check(requests)
    contract_w = contracted_w[requests.group][:, None]
    mine_w = held_w[requests.group]
    asked = ~np.isnan(requests.wanted_w)
    wanted_w = np.where(asked, requests.wanted_w, mine_w)
    lowered_w = held_w.copy()
    lowered_w[requests.group] = np.minimum(mine_w, wanted_w)
    extra_w = np.maximum(np.minimum(wanted_w, contract_w) - mine_w, 0.0)
    if ceiling_w is not None:
        extra_w = np.minimum(extra_w, ceiling_w[:, None])
    room_w = headroom_w - element_load_w(lowered_w, parent, element, phase_share)
    share = _Shares(room_w, parent, element[requests.group], phase_share[requests.group], contracted_w[requests.group])
    more_w, bound_by, stepped_back = _give(share, extra_w, requests.all_or_nothing, order, wanted_w - mine_w)
    after_w = lowered_w
    after_w[requests.group] += more_w
    over_contract: Bools = np.any(wanted_w > np.maximum(contract_w, mine_w) + TOLERANCE_W, axis=1)
    return _told(requests, mine_w, wanted_w, more_w, after_w, bound_by, over_contract, stepped_back, ceiling_w)


@dataclass(frozen=True, slots=True)
class _Shares:
    room_w: Floats
    parent: Ints
    element: Ints
    phase_share: Floats
    weight: Floats

    def of(self, extra_w: Floats) -> tuple[Floats, Ints]:
        filled = allocate(
            self.room_w, self.parent, self.element, self.phase_share, self.weight, np.zeros_like(extra_w), extra_w
        )
        return filled.allocated_w, filled.bound_by.astype(np.int64)

    def alone(self, r: int, extra_w: Floats, room_w: Floats) -> tuple[Floats, Ints, list[int]]:
        """What one request gets of the room, what binds it per quarter, and the elements on its path."""
        given_w, bound_by, path = extra_w.copy(), np.full(extra_w.shape, -1, np.int64), []
        at = int(self.element[r])
        while at >= 0:
            path.append(at)
            for p in np.flatnonzero(self.phase_share[r] > 0):
                most_w = np.maximum(room_w[at, p], 0.0) / self.phase_share[r, p]
                bound_by[most_w < given_w] = at
                given_w = np.minimum(given_w, most_w)
            at = int(self.parent[at])
        return given_w, bound_by, path


def _give(
    share: _Shares, extra_w: Floats, whole: Bools, order: Order, wanted_more_w: Floats
) -> tuple[Floats, Ints, Bools]:
    """Additional power, what binds it, and which requests stepped back because they want all or nothing."""
    match order:
        case Order.FAIR:
            return _together(share, extra_w, whole, wanted_more_w)
        case Order.FIRST_COME:
            return _one_by_one(share, extra_w, whole, wanted_more_w)
        case _:
            assert_never(order)


def _together(share: _Shares, extra_w: Floats, whole: Bools, wanted_more_w: Floats) -> tuple[Floats, Ints, Bools]:
    open_w = extra_w.copy()
    bound_by = np.full(extra_w.shape, -1, np.int64)
    out = np.zeros(len(whole), bool)
    while True:
        more_w, bound = share.of(open_w)
        bound_by = np.where(out[:, None], bound_by, bound)
        met = _met(more_w, wanted_more_w)
        unmet = whole & ~out & (met < 1.0)
        if not unmet.any():
            return more_w, bound_by, out
        least = unmet & (met <= met[unmet].min())
        out |= least
        open_w[least] = 0.0


def _one_by_one(share: _Shares, extra_w: Floats, whole: Bools, wanted_more_w: Floats) -> tuple[Floats, Ints, Bools]:
    more_w = np.zeros_like(extra_w)
    bound_by = np.full(extra_w.shape, -1, np.int64)
    out = np.zeros(len(whole), bool)
    room_w = share.room_w.copy()
    for r in range(len(whole)):
        given_w, bound_by[r], path = share.alone(r, extra_w[r], room_w)
        out[r] = bool(whole[r]) and _met(given_w[None], wanted_more_w[r : r + 1])[0] < 1.0
        if not out[r]:
            more_w[r] = given_w
            room_w[path] -= share.phase_share[r][:, None] * given_w
    return more_w, bound_by, out


def _met(more_w: Floats, wanted_more_w: Floats) -> Floats:
    """The part of the wanted energy that is given, 1 where every quarter is met, shape (R,)."""
    wanted = np.maximum(wanted_more_w, 0.0)
    every = (more_w >= wanted - TOLERANCE_W).all(axis=1)
    part = more_w.sum(axis=1) / np.maximum(wanted.sum(axis=1), TOLERANCE_W)
    met: Floats = np.where(every, 1.0, np.minimum(part, 1.0 - 1e-12))
    return met


def _told(
    requests: Requests,
    mine_w: Floats,
    wanted_w: Floats,
    more_w: Floats,
    after_w: Floats,
    bound_by: Ints,
    over_contract: Bools,
    stepped_back: Bools,
    ceiling_w: Floats | None,
) -> Decisions:
    asked = ~np.isnan(requests.wanted_w)
    more_wanted_w = np.maximum(wanted_w - mine_w, 0.0)
    short_w = more_wanted_w - more_w
    worst = np.argmax(np.where(bound_by >= 0, short_w, -1.0), axis=1) if short_w.shape[1] else np.zeros(0, np.int64)
    rows = np.arange(len(requests.group))
    binds = (short_w > TOLERANCE_W) & (bound_by >= 0)
    grid: Bools = np.any(binds, axis=1)
    told = [
        _verdict(
            asks_more=bool((more_wanted_w[r] > TOLERANCE_W).any()),
            gives_back=bool((wanted_w[r] < mine_w[r] - TOLERANCE_W).any()),
            short=bool((short_w[r] > TOLERANCE_W).any()),
            got=bool((more_w[r] > TOLERANCE_W).any()),
            why=_why(bool(stepped_back[r]), bool(grid[r]), bool(over_contract[r]), ceiling_w is not None),
        )
        for r in rows
    ]
    return Decisions(
        granted_w=np.where(asked, after_w[requests.group], np.nan),
        status=tuple(status for status, _ in told),
        reason=tuple(reason for _, reason in told),
        bound_by=np.where(grid, bound_by[rows, worst], -1),
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
    if not asks_more:
        return (Status.RETURNED, Reason.GIVEN_BACK) if gives_back else (Status.GRANTED, Reason.MET)
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
