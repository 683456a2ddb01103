"""Acts on limits: foresee, set, confirm, refuse, withdraw."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from ampacity.console.desk import Console
from ampacity.console.front import Asked, allow, console_of
from ampacity.console.overview import number_of
from ampacity.console.render import page
from ampacity.errors import Refused, Unsuitable
from ampacity.operations.limits import (
    confirm_limit,
    current_limits,
    foresee_limit,
    refuse_limit,
    set_limit,
    withdraw_limit,
)
from ampacity.operations.situation import Situation
from ampacity.people import LimitKind, NewLimit, Permission

DONE = {
    "set": "The limit holds; who gets less is being told.",
    "proposed": "The override is proposed; it holds once a second person confirms it.",
    "confirmed": "The override is confirmed; it holds from the next cycle on.",
    "refused": "The override is refused.",
    "withdrawn": "The limit is withdrawn; the next cycle gives back what it took.",
}
_ANSWERS = {"confirm": (confirm_limit, "confirmed"), "refuse": (refuse_limit, "refused"),
            "withdraw": (withdraw_limit, "withdrawn")}  # fmt: skip


@get("/limits")
async def limits_page(request: Asked) -> Response[str]:
    """Limits that wait, hold or ended in the last week."""
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    return await page(
        request, "limits.html", situation=situation, limits=await current_limits(console.limit_desk),
        done=DONE.get(request.query_params.get("done", "")),
    )  # fmt: skip


@get("/limits/new")
async def new_limit_page(request: Asked) -> Response[str]:
    """The form for a limit."""
    console = console_of(request)
    allow(request, Permission.PROPOSE)
    situation = await console.lookout.situation(console.clock())
    number_of(situation, request.query_params.get("id", ""))
    given = {"kind": "emergency", "hours": "4", "limit_a": "", "reason": "", **dict(request.query_params.items())}
    return await _form(request, situation, given, ())


@post("/limits/foresee", status_code=200)
async def foresee_page(request: Asked) -> Response[str]:
    """What a limit would do, before it is set."""
    console = console_of(request)
    allow(request, Permission.PROPOSE)
    situation = await console.lookout.situation(console.clock())
    given = await _given(request)
    try:
        new = _limit(console, situation, given)
        lost_wh = await foresee_limit(console.limit_desk, new)
    except Unsuitable as wrong:
        return await _form(request, situation, given, wrong.faults, status_code=422)
    lost = sorted(lost_wh.items(), key=lambda pair: -pair[1])
    return await page(
        request, "limit_foreseen.html", situation=situation, new=new, given=given, lost=lost,
        element=situation.network.elements[new.element_no],
        voltage_v=float(situation.network.phase_voltage_v[new.element_no]),
        rated_w=float(situation.limit_w[new.element_no].max()), LimitKind=LimitKind,
    )  # fmt: skip


@post("/limits")
async def set_limit_act(request: Asked) -> Response[Any]:
    """Set the limit that was foreseen."""
    console = console_of(request)
    who = allow(request, Permission.PROPOSE)
    situation = await console.lookout.situation(console.clock())
    given = await _given(request)
    try:
        new = _limit(console, situation, given)
        await set_limit(console.limit_desk, who, new)
    except Unsuitable as wrong:
        return await _form(request, situation, given, wrong.faults, status_code=422)
    done = "set" if new.kind is LimitKind.EMERGENCY else "proposed"
    return Redirect(f"/console/limits?done={done}", status_code=303)


@post("/limits/answer")
async def answer_limit_act(request: Asked) -> Response[Any]:
    """Confirm, refuse or withdraw."""
    who = allow(request, Permission.OPERATE)
    given = await _given(request)
    if given.get("answer") not in _ANSWERS or not given.get("no", "").isdecimal():
        raise Refused("this form is not complete: load the page again")
    act, done = _ANSWERS[given["answer"]]
    await act(console_of(request).limit_desk, who, int(given["no"]))
    return Redirect(f"/console/limits?done={done}", status_code=303)


async def _form(
    request: Asked, situation: Situation, given: Mapping[str, str], faults: tuple[str, ...], status_code: int = 200
) -> Response[str]:
    e = number_of(situation, given.get("id", ""))
    return await page(
        request, "limit_new.html", status_code=status_code, situation=situation, given=given, faults=faults,
        element=situation.network.elements[e], rated_w=float(situation.limit_w[e].max()),
        rated_a=float(situation.network.rated_current_a[e]), power_factor=console_of(request).limit_desk.power_factor,
    )  # fmt: skip


async def _given(request: Asked) -> dict[str, str]:
    return {str(k): str(v) for k, v in (await request.form()).items()}


def _limit(console: Console, situation: Situation, given: Mapping[str, str]) -> NewLimit:
    """The limit of a form: amperes on each phase, from now or from a local time on.

    Raises:
        Unsuitable: a field is not what it should be.
    """
    e = number_of(situation, given.get("id", ""))
    faults = []
    kind = given.get("kind", "")
    if kind not in set(LimitKind):
        faults.append("kind: choose emergency or override")
    current_a = _number(given.get("limit_a", ""))
    if current_a is None:
        faults.append(f"limit: {given.get('limit_a', '') or 'nothing'} is not a number of amperes")
    hours = _number(given.get("hours", ""))
    if hours is None or not 0 < hours <= 24 * 366:
        faults.append("duration: a number of hours")
    start = console.clock()
    if given.get("starts"):
        try:
            start = max(start, datetime.fromisoformat(given["starts"]).replace(tzinfo=console.zone))
        except ValueError:
            faults.append(f"from: {given['starts']} is not a date and time")
    if faults or current_a is None or hours is None:
        raise Unsuitable(faults)
    factor = console.limit_desk.power_factor
    return NewLimit(
        element_no=e, kind=LimitKind(kind), reason=given.get("reason", "").strip(),
        limit_w=current_a * float(situation.network.phase_voltage_v[e]) * factor,
        starts_at=start, ends_at=start + timedelta(hours=hours),
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
