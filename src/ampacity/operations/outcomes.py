"""What becomes of a request in a decision, in figures and in words."""

from collections.abc import Mapping

import numpy as np

from ampacity.allocation import Decisions, Reason, Status
from ampacity.operations.batch import DecidedBatch, Situation, asked_over
from ampacity.ports import Floats, RequestOutcome, WaitingRequest
from ampacity.timegrid import moment_of


def gained_w(decided: DecidedBatch, i: int, request: WaitingRequest) -> float:
    """The most that a request was given beyond what was held, in any quarter [W]."""
    gained_w = decided.table.capacity_w[i] - decided.situation.held_by([request.group_no])[0]
    return round(float(gained_w.max(initial=0.0)), 1)


def outcome(decided: DecidedBatch, i: int, request: WaitingRequest) -> RequestOutcome:
    """What the request in row `i` of a decided batch came to."""
    situation = decided.situation
    before_w, after_w = situation.held_by([request.group_no])[0], decided.table.capacity_w[i]
    wanted_w = asked_over(request, situation.window)
    asks = ~np.isnan(wanted_w)
    gives = asks & (wanted_w < before_w)
    gets = asks & (after_w > before_w)
    step, reason = _told(situation, decided.decisions, i, asks_anything=bool(asks.any()), gets=bool(gets.any()))
    return RequestOutcome(
        request=request,
        step=step,
        reason=reason,
        detail={
            "energy_wanted_wh": _energy(wanted_w),
            "energy_held_wh": _energy(np.where(asks, after_w, np.nan)),
        },
        first_quarter=situation.window.first,
        granted_w=np.where(gets, after_w, np.nan),
        returned_w=np.where(gives, after_w, np.nan),
    )


def _told(situation: Situation, decisions: Decisions, i: int, *, asks_anything: bool, gets: bool) -> tuple[str, str]:
    """The outcome of a request and its reason in words."""
    if not asks_anything:
        reaches = moment_of(situation.window.end).isoformat()
        return Status.REFUSED.value, f"what it asks for is past or beyond {reaches}, to where forecasts reach"
    status, reason = decisions.status[i], decisions.reason[i]
    if status is Status.PARTLY and not gets:  # by less than is of use
        status = Status.REFUSED
    if reason is Reason.GRID and decisions.bound_by[i] >= 0:
        element = situation.network.elements[int(decisions.bound_by[i])]
        at = moment_of(situation.window.first + int(decisions.bound_quarter[i]))
        return status.value, f"{element.kind} {element.element_id} carries no more at {at:%Y-%m-%d %H:%M} UTC"
    return status.value, _REASONS[reason]


_REASONS: Mapping[Reason, str] = {
    Reason.MET: "all that was asked for",
    Reason.GIVEN_BACK: "given back",
    Reason.GRID: "the grid carries no more",
    Reason.CONTRACT: "more than the contract",
    Reason.CEILING: "more than one provider may have at once between gates",
    Reason.ALL_OR_NOTHING: "it could be met only in part",
}


def _energy(power_w: Floats) -> float:
    return round(float(np.nansum(power_w)) / 4.0, 1)


def refusal(request: WaitingRequest, reason: str) -> RequestOutcome:
    """It is refused as it stands, for this reason."""
    nothing = np.full(1, np.nan)
    return RequestOutcome(
        request=request, step=Status.REFUSED.value, reason=reason, detail={}, first_quarter=request.first_quarter,
        granted_w=nothing, returned_w=nothing,
    )  # fmt: skip
