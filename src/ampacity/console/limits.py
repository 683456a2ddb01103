"""Acts on limits: foresee, set, confirm, refuse, withdraw."""

from collections.abc import Mapping, Sequence
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
from ampacity.people import LimitChange, LimitKind, LimitState, NewLimit, Permission

DONE = {
    "set": "The limit holds; who gets less is being told.",
    "proposed": "The override is proposed; it holds once a second person confirms it.",
    "confirmed": "The override is confirmed; it holds from the next cycle on.",
    "confirmed-at-once": "The override is confirmed and counts now; everybody whose capacity changed is being told.",
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
        done=DONE.get(request.query_params.get("done", "")), lower=lower_emergency,
    )  # fmt: skip


@get("/limits/new")
async def new_limit_page(request: Asked) -> Response[str]:
    """The form for a limit."""
    console = console_of(request)
    allow(request, Permission.PROPOSE)
    situation = await console.lookout.situation(console.clock())
    number_of(situation, request.query_params.get("id", ""))
    given = {
        "kind": "emergency",
        "hours": "4",
        "when": "cycle",
        "limit_a": "",
        "reason": "",
        **dict(request.query_params.items()),
    }
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
    changed = sorted(lost_wh.items(), key=lambda pair: -pair[1])
    current = await current_limits(console.limit_desk)
    return await page(
        request, "limit_foreseen.html", emergency=lower_emergency(new, current),
        situation=situation, new=new, given=given, changed=changed,
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
        await console.lookout.renewed(console.clock())
    except Unsuitable as wrong:
        return await _form(request, situation, given, wrong.faults, status_code=422)
    done = "set" if new.kind is LimitKind.EMERGENCY else "proposed"
    return Redirect(f"/console/limits?done={done}", status_code=303)


@post("/limits/answer")
async def answer_limit_act(request: Asked) -> Response[Any]:
    """Confirm, refuse or withdraw."""
    who = allow(request, Permission.OPERATE)
    given = await _given(request)
    if given.get("answer") not in _ANSWERS or not given.get("no", "").removeprefix("-").isdecimal():
        raise Refused("this form is not complete: load the page again")
    act, done = _ANSWERS[given["answer"]]
    desk = console_of(request).limit_desk
    found = await desk.limits.limit(int(given["no"]))
    await act(desk, who, int(given["no"]))
    if done == "confirmed" and found is not None and found.at_once:
        done = "confirmed-at-once"
    await console_of(request).lookout.renewed(console_of(request).clock())
    return Redirect(f"/console/limits?done={done}", status_code=303)


def lower_emergency(
    limit: NewLimit | LimitChange, current: Sequence[tuple[LimitChange, LimitState]]
) -> LimitChange | None:
    """The emergency beside an override on the same element, below which the override counts for nothing."""
    if limit.kind is not LimitKind.OVERRIDE:
        return None
    beside = [
        c for c, stands in current
        if c.kind is LimitKind.EMERGENCY and stands is LimitState.HOLDS and c.element_no == limit.element_no
        and c.limit_w < limit.limit_w and c.ends_at > limit.starts_at
    ]  # fmt: skip
    return min(beside, key=lambda c: c.limit_w, default=None)


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
        at_once=kind == LimitKind.OVERRIDE and given.get("when") == "once",
        limit_w=current_a * float(situation.network.phase_voltage_v[e]) * factor,
        starts_at=start, ends_at=start + timedelta(hours=hours),
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
