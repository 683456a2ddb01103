"""Decisions on requests for more capacity, and returns of it, a whole gate at once."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ampacity.allocation.forest import Bools, Floats, Ints
from ampacity.allocation.gate import Gate, Grid, Order, Requests, decide_gate
from ampacity.allocation.loading import TOLERANCE_W
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
    entitled_w: Floats | None = None,
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
        entitled_w: What `entitled` comes to, where it was worked out before [W], shape (G, T).

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
    grid = Grid(
        headroom_w,
        parent,
        element,
        phase_share,
        contracted_w,
        np.zeros_like(contracted_w) if firm_w is None else firm_w,
        entitled_w,
    )
    gate = Gate(requests, held_w, np.maximum(claim_w, 0.0), wanted_w)
    after_w, bound_by, stepped_back = decide_gate(grid, gate, order)
    over_contract: Bools = np.any(wanted_w > np.maximum(contract_w, mine_w) + TOLERANCE_W, axis=1)
    return _told(gate, after_w, bound_by, over_contract, stepped_back, has_ceiling=ceiling_w is not None)


def entitled(
    headroom_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    contracted_w: Floats,
    firm_w: Floats,
) -> Floats:
    """What each group is entitled to: its share if all used their contracts [W], shape (G, T).

    It is the same until the headroom or a contract changes.  Arguments as in `decide_requests`.
    """
    return Grid(headroom_w, parent, element, phase_share, contracted_w, firm_w).entitled_w()


def _told(
    gate: Gate, after_w: Floats, bound_by: Ints, over_contract: Bools, stepped_back: Bools, *, has_ceiling: bool
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
