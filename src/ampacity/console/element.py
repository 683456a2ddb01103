"""Why an element is tight: the computation from top to bottom, and every quarter spelt out."""

from typing import Any

import numpy as np
from litestar import get
from litestar.response import Response

from ampacity.console import shown
from ampacity.console.front import Asked, console_of
from ampacity.console.overview import number_of, path_up
from ampacity.console.render import page
from ampacity.network import Direction
from ampacity.network.settling import Mark
from ampacity.operations.element_view import ElementView, Why, element_view, why
from ampacity.operations.overview import element_row
from ampacity.operations.quality import element_quality
from ampacity.operations.situation import Situation
from ampacity.people import limit_state
from ampacity.ports import Floats
from ampacity.timegrid import QUARTERS_PER_DAY

MARKS = {Mark.GAP: "nothing measured", Mark.IMPLAUSIBLE: "quarantined: implausible", Mark.USE_UNKNOWN: "use unknown"}


async def _asked(request: Asked) -> tuple[Situation, int, int]:
    """The situation, the element and the phase that the address names; by default the tightest."""
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    e = number_of(situation, request.query_params.get("id", ""))
    phases = [i for i in range(3) if situation.limit_w[e, i] > 0]
    wanted = request.query_params.get("phase", "")
    phase = int(wanted) - 1 if wanted in {"1", "2", "3"} else int(situation.least_phase[e])
    return situation, e, phase if phase in phases else phases[0]


@get("/element")
async def element_page(request: Asked) -> Response[str]:
    """One element and phase."""
    console = console_of(request)
    situation, e, phase = await _asked(request)
    view = await element_view(situation, e, phase, views=console.ports.views, grid=console.ports.grid)
    quarter = _quarter(request, view, int(situation.least_quarter[e]))
    limits = await console.ports.limits.limits(element_no=e, ends_after=None)
    return await page(
        request, "element.html", situation=situation, element=situation.network.elements[e],
        row=element_row(situation, e), view=view, phase=phase, quarter_shown=quarter,
        reasons=[w for w in (why(view, quarter, d) for d in Direction) if w is not None],
        sentence=lambda w: sentence(situation, w), path_up=path_up(situation, e),
        children=len(situation.children_of(e)),
        groups=[situation.network.groups[g] for g in situation.groups_behind(e)[:24]],
        limits=[(c, limit_state(c, situation.at)) for c in limits[:10]],
        quality=await element_quality(situation, e, console.ports.scores),
        voltage_v=float(situation.network.phase_voltage_v[e]), marks=MARKS, Mark=Mark, Direction=Direction,
        days=QUARTERS_PER_DAY, all_rows=request.query_params.get("rows") == "all",
    )  # fmt: skip


@get("/element/series")
async def element_series(request: Asked) -> dict[str, Any]:
    """What the chart draws [kW], with each quarter spelt out."""
    console = console_of(request)
    situation, e, phase = await _asked(request)
    view = await element_view(situation, e, phase, views=console.ports.views, grid=console.ports.grid)
    told = [why(view, q, Direction.IMPORT) for q in range(view.window.first, view.window.end)]
    shares = [
        {"name": s.group_id, "given": kilo(s.given_w[Direction.IMPORT]), "used": kilo(s.used_w)} for s in view.shares
    ]
    return {
        "first": view.window.first * 900, "step": 900, "now": view.now_quarter * 900, "zone": console.zone.key,
        "measured": kilo(view.measured_w), "load": kilo(view.load_w), "used": kilo(view.used_w),
        "lower": kilo(view.lower_w), "median": kilo(view.median_w), "upper": kilo(view.upper_w),
        "limit": kilo(view.limit_w), "headroom": kilo(view.headroom_w[Direction.IMPORT]),
        "levels": [round(level, 4) for level in (view.levels[0], view.levels[-1])], "shares": shares,
        "weather_free": view.weather_free.tolist(),
        "why": [None if w is None else sentence(situation, w) for w in told],
    }  # fmt: skip


def kilo(power_w: Floats) -> list[float | None]:
    """W to kW with two decimals, nothing where nothing is known."""
    return [None if np.isnan(w) else round(float(w) / 1000, 2) for w in power_w]


def sentence(situation: Situation, told: Why) -> str:
    """The sum behind a quarter: limit 82.3 kW − forecast 51.0 kW − margin 9.4 kW = headroom 21.9 kW; …"""
    most = sorted(told.shares, key=lambda s: -s[1])
    given = [f"{name} {shown.kw(w)}" for name, w in most[:6]]
    if len(most) > 6:
        given.append(f"{len(most) - 6} more {shown.kw(sum(w for _, w in most[6:]))}")
    terms = (shown.kw(told.limit_w), shown.kw(told.median_w), shown.kw(told.margin_w))
    parts = [f"limit {terms[0]} − forecast {terms[1]} − margin {terms[2]} = headroom {shown.kw(told.headroom_w)}"]
    if given:
        parts.append(", ".join([*given, f"not given out {shown.kw(told.kept_w)}"]))
    bound = sorted({b for _, b in told.bound_by if b >= 0})
    if bound:
        names = ", ".join(str(situation.network.elements[b].element_id) for b in bound[:3])
        parts.append(f"held back by {names}")
    return "; ".join(parts)


def _quarter(request: Asked, view: ElementView, tightest: int) -> int:
    """The quarter to spell out: the one in the address, else the tightest."""
    wanted = request.query_params.get("at", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else tightest
    return number if view.column(number) is not None else view.now_quarter
