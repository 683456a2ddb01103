"""Large requests wait for an operator's yes or no, for a time; then the rule decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ampacity.console_ports import PeopleStore
from ampacity.errors import Refused
from ampacity.operations.accounts import require
from ampacity.people import NewAct, Permission, SignedIn
from ampacity.ports import AskedConsent, Clock, RequestStore, WaitingRequest


@dataclass(frozen=True, kw_only=True)
class ConsentDesk:
    """What answering requests works with; `clock` is the data's, `wall` the wall's."""

    requests: RequestStore
    people: PeopleStore
    clock: Clock
    wall: Clock


async def waiting_for_consent(desk: ConsentDesk) -> Sequence[AskedConsent]:
    """What waits for an operator now, the most urgent first."""
    return await desk.requests.for_consent(desk.clock())


async def answer_request(
    desk: ConsentDesk, who: SignedIn | str, request_no: int, *, is_given: bool, reason: str
) -> None:
    """Say yes, and the rule decides as for any request; or no, and it is refused with the reason.

    Raises:
        Refused: `who` may not, or there is no reason for a no.
        NotFound: there is no such request.
        Conflict: no operator was asked about it, or it was answered or decided already.
    """
    if isinstance(who, SignedIn):
        require(who, Permission.OPERATE)
    if not is_given and not reason.strip():
        raise Refused("a no needs a reason: it is kept with the request")
    name = who if isinstance(who, str) else who.name
    group_id = await desk.requests.answer_consent(
        request_no, is_given=is_given, who=name, reason=reason.strip(), at=desk.clock()
    )
    what = "approved a request" if is_given else "refused a request"
    detail = {"request": request_no, "reason": reason.strip()}
    await desk.people.record(who, NewAct(what=what, about=f"group/{group_id}", detail=detail), desk.wall())


def turned_down(waiting: Sequence[WaitingRequest], now: datetime) -> Mapping[int, str]:
    """Requests that are refused whatever there is, by their number, and why.

    An operator said no; or it still waits for an operator and its group has asked anew for
    some of its quarters: the last word counts.
    """
    reasons = {}
    for request in waiting:
        consent = request.consent
        if consent is None:
            continue
        if consent.is_given is False:
            reasons[request.request_no] = f"refused by an operator: {consent.reason}"
        elif consent.is_awaited(now) and (later := _replaced_by(request, waiting)) is not None:
            reasons[request.request_no] = f"request {later.request_id} took its place"
    return reasons


def _replaced_by(request: WaitingRequest, waiting: Sequence[WaitingRequest]) -> WaitingRequest | None:
    return next(
        (
            other
            for other in waiting
            if other.request_no > request.request_no
            and (other.group_no, other.kind) == (request.group_no, request.kind)
            and other.first_quarter < request.end_quarter
            and request.first_quarter < other.end_quarter
        ),
        None,
    )
