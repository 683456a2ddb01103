"""Can it be trusted: scores, data gaps, cycles; and the audit log."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import get
from litestar.response import Response, Stream

from ampacity.console.front import Asked, console_of
from ampacity.console.negotiations import replayed
from ampacity.console.render import page
from ampacity.console_ports import AuditFilter
from ampacity.errors import NotFound
from ampacity.operations.audit import audit_as_csv, audit_as_json
from ampacity.operations.quality import marks_of, quality

PER_PAGE = 100


@get("/quality")
async def quality_page(request: Asked) -> Response[str]:
    """Scores, gaps, cycles."""
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    found = await quality(situation, views=console.ports.views, scores=console.ports.scores)
    newest = next((c for c in found.cycles if c.summary is not None), None)
    late = [i for i in range(len(situation.state)) if situation.now_quarter[i] >= 0]
    return await page(
        request, "quality.html", situation=situation, quality=found, newest=newest,
        marks={} if newest is None else marks_of(newest), measured=len(late),
        fetches=await console.ports.weather_fetches.all(), ids=situation.network.elements,
    )  # fmt: skip


@get("/decision")
async def decision_page(request: Asked) -> Response[str]:
    """One decision as it was recorded; `replay=1` computes it again."""
    wanted = request.query_params.get("no", "")
    views = console_of(request).ports.views
    found = await views.decision(int(wanted)) if wanted.isdecimal() and len(wanted) < 18 else None
    if found is None:
        raise NotFound(f"there is no decision {wanted}")
    text = {key: msgspec.json.format(msgspec.json.encode(found[key])).decode() for key in ("settings", "summary")}
    told = await replayed(console_of(request), int(wanted)) if request.query_params.get("replay") == "1" else None
    return await page(request, "decision.html", decision=found, text=text, replayed=told)


@get("/audit")
async def audit_page(request: Asked) -> Response[str]:
    """What was done, by whom."""
    console = console_of(request)
    given = dict(request.query_params.items())
    wanted = _filter(given, console.zone)
    number = given.get("page", "1")
    at = int(number) if number.isdecimal() and 0 < len(number) < 7 and int(number) else 1
    acts = await console.ports.views.audit(wanted, PER_PAGE + 1, (at - 1) * PER_PAGE)
    query = urlencode({k: v for k, v in given.items() if v and k != "page"})
    return await page(
        request, "audit.html", acts=acts[:PER_PAGE], has_more=len(acts) > PER_PAGE, at=at, given=given, query=query,
        links=link_of,
    )  # fmt: skip


@get("/audit/export.csv")
async def audit_csv(request: Asked) -> Stream:
    """The filtered log as CSV."""
    return _export(request, "csv", "text/csv; charset=utf-8")


@get("/audit/export.json")
async def audit_json(request: Asked) -> Stream:
    """The filtered log, a JSON object a line."""
    return _export(request, "jsonl", "application/jsonl")


def link_of(about: str) -> str | None:
    """Where to look at what a line is about."""
    what, _, name = about.partition("/")
    keys = {"element": "id", "group": "id", "decision": "no"}
    if what in keys:
        return f"/console/{what}?{urlencode({keys[what]: name})}"
    return {"provider": "/console/providers", "account": "/console/accounts"}.get(what)


def _filter(given: dict[str, str], zone: ZoneInfo) -> AuditFilter:
    return AuditFilter(
        who=given.get("who", "").strip(),
        about=given.get("about", "").strip(),
        words=given.get("words", "").strip(),
        since=_day(given.get("since", ""), zone, 0),
        until=_day(given.get("until", ""), zone, 1),
        decisions=given.get("decisions", "yes") != "no",
    )


def _day(text: str, zone: ZoneInfo, days_on: int) -> datetime | None:
    try:
        return (datetime.fromisoformat(text) + timedelta(days=days_on)).replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None


def _export(request: Asked, ending: str, media_type: str) -> Stream:
    console = console_of(request)
    wanted = _filter(dict(request.query_params.items()), console.zone)
    lines = audit_as_csv if ending == "csv" else audit_as_json
    name = f"ampacity-audit-{console.wall():%Y%m%d-%H%M}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(lines(console.ports.views, wanted), media_type=media_type, headers=headers)
