"""`ampacity fairness`: what every provider held against what it was entitled to."""

from datetime import datetime
from html import escape
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ampacity.app.commands.options import AsJson, Config, parse_moment, with_store
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.network import Direction
from ampacity.operations.report_fairness import FairnessReport, ProviderFairness, report_fairness
from ampacity.store.records import PostgresRecords

From = Annotated[datetime, typer.Option("--from", parser=parse_moment, metavar="TIME", help="First moment.")]
To = Annotated[datetime, typer.Option("--to", parser=parse_moment, metavar="TIME", help="Moment after the last.")]
ForExport = Annotated[bool, typer.Option("--export", help="What may be fed in, instead of drawn.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.")]

COLUMNS = (
    "provider", "contract kW", "entitled kWh", "held kWh", "held of entitled", "lent kWh", "borrowed kWh", "used kWh",
    "curtailed kWh", "worst regret kW", "asked", "refused", "median answer s",
)  # fmt: skip


def fairness(
    start: From,
    end: To,
    for_export: ForExport = False,
    html: Html = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Report shares held against entitlement, energy lent and borrowed, refusals and answer times, for a regulator."""

    async def work(store: Store, _: object) -> FairnessReport:
        direction = Direction.EXPORT if for_export else Direction.IMPORT
        return await report_fairness(start, end, direction, grid=store.grid, records=PostgresRecords(store.pool))

    report = with_store(config, work)
    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if as_json:
        print(msgspec.json.encode(report).decode())  # noqa: T201
    elif html is None:
        _show(report)


def page(report: FairnessReport) -> str:
    """The report as one page that needs nothing else."""
    head = "".join(f"<th>{escape(c)}</th>" for c in COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in _cells(p)) + "</tr>" for p in report.providers)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Fairness of the shares</title>"
        "<style>body{font:15px system-ui;margin:2rem;max-width:80rem}table{border-collapse:collapse}"
        "td,th{padding:.3rem .7rem;border-bottom:1px solid #ccc;text-align:right}"
        "td:first-child,th:first-child{text-align:left}"
        "</style>"
        f"<h1>Fairness of the shares, {escape(report.direction.value)}</h1><p>{escape(_heading(report))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "<p>Entitled: the share of each quarter hour's headroom if all had used their contracts. Held of entitled may "
        "be above 1, by what others lend, and below 1, by what is lent to others. Worst regret: the most that a group "
        "lacked of its entitlement while the grid, not its own need, bound it.</p></html>"
    )


def _heading(report: FairnessReport) -> str:
    return (
        f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC, {report.quarters} quarter hours; "
        f"stranded {report.stranded_wh / 1000:.1f} kWh"
    )


def _cells(p: ProviderFairness) -> tuple[str, ...]:
    asked = p.requests
    return (
        p.provider_id, f"{p.contracted_w / 1000:.1f}", f"{p.entitled_wh / 1000:.1f}", f"{p.held_wh / 1000:.1f}",
        f"{p.part_of_entitlement:.3f}", f"{p.lent_wh / 1000:.1f}", f"{p.borrowed_wh / 1000:.1f}",
        f"{p.used_wh / 1000:.1f}", f"{p.curtailed_wh / 1000:.1f}", f"{p.worst_regret_w / 1000:.2f}",
        "0" if asked is None else str(asked.asked), "0" if asked is None else str(asked.refused),
        "" if asked is None or asked.median_answer_s is None else f"{asked.median_answer_s:.2f}",
    )  # fmt: skip


def _show(report: FairnessReport) -> None:
    table = Table(title=_heading(report))
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "provider" else "right")
    for provider in report.providers:
        table.add_row(*_cells(provider))
    plain_console().print(table)
