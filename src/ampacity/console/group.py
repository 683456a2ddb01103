"""What we told a group, and did it keep it."""

from typing import Any

import numpy as np
from litestar import get
from litestar.response import Response

from ampacity.console import shown
from ampacity.console.element import kilo
from ampacity.console.front import Asked, console_of
from ampacity.console.render import page
from ampacity.errors import NotFound
from ampacity.network import ForecastKind
from ampacity.operations.away import AWAY
from ampacity.operations.group_view import GroupView, group_view
from ampacity.operations.situation import Situation

OWN_CAP, FIRM_CAP = -1, -2
AHEAD = 96


async def _asked(request: Asked) -> tuple[Situation, int, GroupView]:
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    group_id = request.query_params.get("id", "")
    if group_id not in situation.group_number_of:
        raise NotFound(f"there is no group {group_id}")
    group_no = situation.group_number_of[group_id]
    return (
        situation,
        group_no,
        await group_view(situation, group_no, views=console.ports.views, grid=console.ports.grid),
    )


@get("/group")
async def group_page(request: Asked) -> Response[str]:
    """One group: five forecasts, what it used, what it was sent, what it asked for."""
    situation, group_no, view = await _asked(request)
    network = situation.network
    kind = request.query_params.get("kind", "")
    kind_shown = ForecastKind(kind) if kind in set(ForecastKind) else ForecastKind.CONSUMPTION
    wanted = request.query_params.get("at", "")
    quarter = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else view.now_quarter
    quarter = quarter if view.column(quarter) is not None else view.now_quarter
    element_no = int(network.element[group_no])
    start = view.column(view.now_quarter) or 0
    complaints = await console_of(request).ports.complaints.complaints(group_no=group_no, only_open=False, limit=20)
    return await page(
        request, "group.html", complaints=complaints, situation=situation, group=network.groups[group_no], view=view,
        element=network.elements[element_no], voltage_v=float(network.phase_voltage_v[element_no]),
        kinds=list(ForecastKind), kind_shown=kind_shown, quarter_shown=quarter,
        explained=explain(situation, group_no, view, kind_shown, quarter),
        rows=range(start, min(start + AHEAD, view.window.count)),
        limits=[c for e in _up(situation, element_no) for c in situation.changes_of(e)],
    )  # fmt: skip


@get("/group/series")
async def group_series(request: Asked) -> dict[str, Any]:
    """What the chart draws, in kW."""
    console = console_of(request)
    _, _, view = await _asked(request)
    marks = [
        {
            "at": r.received_at.timestamp(),
            "text": f"request {r.request_no}: {r.step or 'waits'}{'; ' + r.reason if r.reason else ''}",
            "wanted": [[(r.first_quarter + i) * 900, round(float(w) / 1000, 2)] for i, w in _asked_for(r.wanted_w)],
            "kind": r.kind.value,
        }
        for r in view.requests
    ]
    return {
        "first": view.window.first * 900, "step": 900, "now": view.now_quarter * 900, "zone": console.zone.key,
        "used": kilo(view.used_w), "requests": marks,
        "lines": {
            kind.value: {"held": kilo(line.capacity_w), "told": kilo(line.first_told_w)}
            for kind, line in view.lines.items()
        },
    }  # fmt: skip


def _asked_for(wanted_w: Any) -> list[tuple[int, float]]:
    return [(i, float(w)) for i, w in enumerate(wanted_w) if not np.isnan(w)]


def explain(situation: Situation, group_no: int, view: GroupView, kind: ForecastKind, quarter: int) -> str | None:
    """Why a block is as high as it is, in a sentence."""
    place = view.column(quarter)
    line = view.lines[kind]
    if place is None or np.isnan(line.capacity_w[place]):
        return None
    group = situation.network.groups[group_no]
    voltage_v = float(situation.network.phase_voltage_v[situation.network.element[group_no]])
    capacity_w, first_w = float(line.capacity_w[place]), float(line.first_told_w[place])
    bound = int(line.bound_by[place])
    match bound:
        case _ if bound >= 0:
            element = situation.network.elements[bound]
            why = f"held back by {element.kind} {element.element_id}"
        case _ if bound == AWAY:
            why = "what its fallback lets it draw while its provider is not connected"
        case _ if bound == FIRM_CAP:
            why = "the firm part of its contract"
        case _:
            why = "its own cap: the contract, or what it gave back"
    told = "" if abs(first_w - capacity_w) < 1 else f"; at first {shown.of_group(first_w, group, voltage_v)}"
    return (
        f"{shown.of_group(capacity_w, group, voltage_v)} ({shown.kw(capacity_w)}), {why}; "
        f"decision {int(line.decision[place])}{told}"
    )


def _up(situation: Situation, element_no: int) -> list[int]:
    path = []
    while element_no >= 0:
        path.append(element_no)
        element_no = int(situation.network.parent[element_no])
    return path
