"""`ampacity overview`, `ampacity audit`, `ampacity limits`: what the console shows, for the terminal and programs."""

import sys
from datetime import datetime
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.table import Table

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, parse_moment, with_store
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.console_ports import AuditFilter
from ampacity.operations.audit import audit_as_csv, audit_as_json
from ampacity.operations.limits import LimitDesk, current_limits
from ampacity.operations.lookout import Lookout
from ampacity.operations.overview import SORTS, ElementRow, Wanted, overview
from ampacity.operations.situation import State
from ampacity.store.console import PostgresViews
from ampacity.store.limits import PostgresLimits
from ampacity.store.people import PostgresPeople
from ampacity.timegrid import moment_of

STATES = [s.name.lower() for s in State]

Words = Annotated[str, typer.Option("--find", metavar="TEXT", help="Only what has it in its id or name.")]
OfState = Annotated[str, typer.Option("--state", metavar="|".join(STATES), help="Only elements in this state.")]
Under = Annotated[str, typer.Option("--under", metavar="ELEMENT", help="Only what is at and below this element.")]
Provider = Annotated[str, typer.Option("--provider", metavar="PROVIDER", help="Only what carries a group of its.")]
Sort = Annotated[str, typer.Option("--sort", metavar="|".join(SORTS), help="The order; least first.")]
Most = Annotated[int, typer.Option("--most", min=1, help="So many lines at most.")]
Who = Annotated[str, typer.Option("--who", metavar="NAME", help="Only what this person did.")]
About = Annotated[str, typer.Option("--about", metavar="THING", help="Only about this, as in element/feeder-1.")]
Text = Annotated[str, typer.Option("--words", metavar="TEXT", help="Only lines with these words.")]
Since = Annotated[datetime | None, typer.Option("--from", parser=parse_moment, metavar="TIME", help="First moment.")]
Until = Annotated[datetime | None, typer.Option("--to", parser=parse_moment, metavar="TIME", help="Moment after.")]
Decisions = Annotated[bool, typer.Option(help="With what was decided, or only what people did.")]
AsLines = Annotated[bool, typer.Option("--json", help="A JSON object a line, instead of CSV.")]


def show_overview(
    find: Words = "",
    state: OfState = "",
    under: Under = "",
    provider: Provider = "",
    sort: Sort = "headroom",
    most: Most = 50,
    at: At = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Where it is tight: elements by least headroom in the next 24 hours."""
    for value, known, option in ((state or STATES[0], STATES, "--state"), (sort, SORTS, "--sort")):
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}", param_hint=option)
    wanted = Wanted(words=find, state=state, under=under, provider=provider, sort=sort, per_page=most)

    async def work(store: Store, settings: Settings) -> list[dict[str, object]]:
        lookout = Lookout(PostgresViews(store.pool), store.grid, settings.cycle.power_factor)
        return [_row(r) for r in overview(await lookout.situation(at or wall_clock()), wanted).rows]

    rows = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(rows).decode())  # noqa: T201
    else:
        _table(rows)


def export_audit(
    who: Who = "",
    about: About = "",
    words: Text = "",
    since: Since = None,
    until: Until = None,
    decisions: Decisions = True,
    config: Config = None,
    as_json: AsLines = False,
) -> None:
    """What was done, by whom, the newest first, as CSV."""
    wanted = AuditFilter(who=who, about=about, words=words, since=since, until=until, decisions=decisions)
    lines = audit_as_json if as_json else audit_as_csv

    async def work(store: Store, _: object) -> None:
        async for part in lines(PostgresViews(store.pool), wanted):
            sys.stdout.write(part.decode())

    with_store(config, work)


def list_limits(at: At = None, config: Config = None, as_json: AsJson = False) -> None:
    """Limits that people set: those that wait, hold, or ended in the last week."""

    async def work(store: Store, settings: Settings) -> list[dict[str, object]]:
        desk = LimitDesk(
            limits=PostgresLimits(store.pool), people=PostgresPeople(store.pool), grid=store.grid,
            requests=store.requests, clock=lambda: at or wall_clock(), wall=wall_clock,
            power_factor=settings.cycle.power_factor,
        )  # fmt: skip
        return [
            {
                "element": c.element_id, "kind": c.kind.value, "stands": stands.value, "limit_w": c.limit_w,
                "from": c.starts_at, "until": c.holds_until, "set_by": c.set_by, "confirmed_by": c.confirmed_by,
                "reason": c.reason,
            }
            for c, stands in await current_limits(desk)
        ]  # fmt: skip

    rows = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(rows).decode())  # noqa: T201
        return
    for row in rows:
        by = f"{row['set_by']}, confirmed by {row['confirmed_by']}" if row["confirmed_by"] else row["set_by"]
        print(  # noqa: T201
            f"{row['element']}  {row['kind']} of {_kw(row['limit_w'])} kW a phase, {row['stands']}, "
            f"{row['from']:%Y-%m-%d %H:%M} to {row['until']:%Y-%m-%d %H:%M} UTC, {by}: {row['reason']}"
        )


def _row(row: ElementRow) -> dict[str, object]:
    """An element for programs; what is not known is null."""
    return {
        "element": row.element_id, "name": row.name, "kind": row.kind, "state": row.state.name.lower(),
        "headroom_w": _known(row.least_w), "limit_w": _known(row.least_of_w),
        "at": moment_of(row.least_quarter) if row.least_quarter >= 0 else None, "phase": row.least_phase,
        "direction": "export" if row.least_export else "import", "load_w": _known(row.now_w),
        "load_age_quarters": row.age_quarters if row.age_quarters >= 0 else None, "groups": row.groups,
        "providers": row.providers,
    }  # fmt: skip


def _known(power_w: float) -> float | None:
    return None if np.isnan(power_w) else round(power_w, 1)


def _table(rows: list[dict[str, object]]) -> None:
    table = Table("element", "state", "headroom kW", "of kW", "tightest at (UTC)", "load kW", "behind it")
    for row in rows:
        kilowatts = [_kw(row[name]) for name in ("headroom_w", "limit_w", "load_w")]
        at = row["at"]
        when = f"{at:%d %b %H:%M}, phase {row['phase']}, {row['direction']}" if isinstance(at, datetime) else "–"
        behind = f"{row['groups']} groups"
        table.add_row(str(row["element"]), str(row["state"]), *kilowatts[:2], when, kilowatts[2], behind)
    plain_console().print(table)


def _kw(power_w: object) -> str:
    return f"{power_w / 1000:.1f}" if isinstance(power_w, float) else "–"
