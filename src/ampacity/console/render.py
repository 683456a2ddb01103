"""From templates to pages."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from importlib import metadata, resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType
from litestar.response import Response

from ampacity.console import calibration, drawn, shown
from ampacity.console.desk import Console
from ampacity.console.front import Asked, console_of, visitor
from ampacity.console_ports import Status
from ampacity.operations.accounts import form_token
from ampacity.operations.overview import counts
from ampacity.operations.situation import Situation, State
from ampacity.people import Permission
from ampacity.timegrid import QUARTER, moment_of

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
THEMES = ("system", "light", "dark")
THEME_COOKIE = "ampacity_theme"
_NAV = (
    ("/console/", "Overview"), ("/console/grid", "Grid"), ("/console/negotiations", "Negotiations"),
    ("/console/providers", "Providers"), ("/console/limits", "Limits"), ("/console/quality", "Quality"),
    ("/console/audit", "Audit log"),
)  # fmt: skip


@cache
def environment() -> Environment:
    """Templates, all values escaped, an unknown name an error."""
    made = Environment(
        loader=PackageLoader("ampacity.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(
        kw=shown.kw, kw_bare=shown.kw_bare, percent=shown.percent, age=shown.age, state=shown.state, kind=shown.kind
    )
    made.globals.update(
        ampere=shown.ampere, quarters_old=shown.quarters_old, of_group=shown.of_group, thumbnail=drawn.thumbnail,
        calibration_plot=calibration.calibration_plot, is_off=calibration.is_off, State=State, Permission=Permission,
        moment_of=moment_of, asset=asset, plotly=plotly_path(), plotly_style_ids=plotly_style_ids, nothing=shown.NONE,
    )  # fmt: skip
    return made


def plotly_path() -> str:
    """Where the chart library lies; the version in the name lets browsers keep it for ever."""
    return f"/console/assets/plotly-{metadata.version('plotly')}.js"


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids under which the chart library would add inline styles, unless an element of that id is there already.

    It carries a map library, which does so as soon as it is loaded; we draw no such maps, and the
    policy of these pages allows no inline style.
    """
    text = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return tuple(sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', text))))


@cache
def asset(name: str) -> str:
    """The path of a file of ours, with a mark that changes with its content."""
    content = (resources.files("ampacity.console") / "static" / name).read_bytes()
    return f"/console/assets/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """The status line: green is quiet, anything else says what and links there."""

    status: Status
    situation: Situation
    now: datetime
    wall: datetime
    for_consent: int  # requests that an operator is asked about

    @property
    def alarms(self) -> list[tuple[str, str, str]]:
        """How bad, what, and where to look."""
        s, found = self.status, counts(self.situation)
        late = s.slot is not None and self.now - s.slot > 2 * QUARTER
        rows = [
            (s.slot is None, "tight", "no cycle yet", "/console/quality"),
            (late, "over", f"no cycle for {shown.age(self.now - (s.slot or self.now))}", "/console/quality"),
            (found[State.OVER], "over", f"{found[State.OVER]} over limit", "/console/?state=over"),
            (s.outbox_dead, "over", _counted(s.outbox_dead, "dead letter", "dead letters"), "/console/providers"),
            (
                s.limits_proposed,
                "tight",
                _counted(s.limits_proposed, "limit waits", "limits wait") + " for a second person",
                "/console/limits",
            ),
            (
                s.limits_holding,
                "tight",
                _counted(s.limits_holding, "set limit", "set limits") + " in force",
                "/console/limits",
            ),
            (
                self.for_consent,
                "tight",
                _counted(self.for_consent, "request waits", "requests wait") + " for a yes or no",
                "/console/negotiations",
            ),
            (
                s.complaints,
                "tight",
                _counted(s.complaints, "complaint", "complaints") + " of providers",
                "/console/complaints",
            ),
            (
                s.requests_waiting - self.for_consent,
                "tight",
                _counted(s.requests_waiting - self.for_consent, "request waits", "requests wait"),
                "/console/negotiations",
            ),
            (
                s.missed_slots,
                "tight",
                _counted(s.missed_slots, "slot", "slots") + " missed in 24 h",
                "/console/quality",
            ),
            (
                s.peers.get("offline", 0),
                "tight",
                _counted(s.peers.get("offline", 0), "provider", "providers") + " offline",
                "/console/providers",
            ),
        ]
        return [(level, text, where) for there, level, text, where in rows if there]

    @property
    def data_age(self) -> str:
        newest = self.status.newest_load_quarter
        return "none" if newest is None else shown.age(self.now - moment_of(newest + 1))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


async def page(request: Asked, template: str, *, status_code: int = 200, **values: Any) -> Response[str]:
    """A page with the status line on top."""
    console, who = console_of(request), visitor(request)
    now = console.clock()
    situation: Situation = values.get("situation") or await console.lookout.situation(now)
    asked = await console.ports.requests.for_consent(now)
    line = Line(
        status=await console.ports.views.status(now), situation=situation, now=now, wall=console.wall(),
        for_consent=len(asked),
    )  # fmt: skip
    nav = [*_NAV, ("/console/accounts", "Accounts")] if who.may(Permission.ADMINISTER) else list(_NAV)
    return html(
        console, template, request=request, status_code=status_code, who=who, line=line, nav=nav,
        form_token=form_token(request.state.token), **values,
    )  # fmt: skip


def html(console: Console, template: str, *, request: Asked, status_code: int = 200, **values: Any) -> Response[str]:
    """A page without a session."""
    now = console.clock()
    theme = request.cookies.get(THEME_COOKIE, "system")
    content = environment().get_template(template).render(
        console=console, now=now, path=request.url.path,
        was_posted=request.method == "POST", theme=theme if theme in THEMES else "system",
        local=partial(shown.local, zone=console.zone, now=now),
        quarter=partial(shown.quarter, zone=console.zone, now=now),
        localised=partial(shown.localised, zone=console.zone, now=now),
        detail=partial(shown.detail, zone=console.zone, now=now), **values,
    )  # fmt: skip
    return Response(content, media_type=MediaType.HTML, status_code=status_code, headers={"Cache-Control": "no-store"})
