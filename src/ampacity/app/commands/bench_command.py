"""`ampacity bench …`: figures of this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ampacity.app.bench_allocation import bench_allocation
from ampacity.app.bench_cycle import CycleBench, run_apart
from ampacity.app.bench_district import bench_plan, prepare
from ampacity.app.bench_dso import prepare_dso
from ampacity.app.bench_forecast import bench_forecast
from ampacity.app.bench_intake import bench_intake
from ampacity.app.bench_kept import tidy
from ampacity.app.bench_measurements import bench_measurements
from ampacity.app.bench_refit import Learnt, RefitFigures, bench_refit
from ampacity.app.bench_requests import RequestFigures, bench_requests
from ampacity.app.bench_send import bench_send
from ampacity.app.bench_servers import bench_servers
from ampacity.app.bench_two import Compared
from ampacity.app.bench_workers import bench_workers
from ampacity.app.commands.options import AsJson, Config, EngineAddress, run_until_stopped, settings_of
from ampacity.app.engine import LOCAL
from ampacity.app.plain import plain_console
from ampacity.app.progress import Show, stage_progress
from ampacity.app.scratch_database import beside, filled_database, kept_database, scratch_database
from ampacity.app.session import database
from ampacity.app.settings import Settings
from ampacity.simulation.district import DistrictPlan
from ampacity.simulation.dso import DsoPlan

bench = typer.Typer(help="Measure what the parts take on this machine.", no_args_is_help=True)
bench.command("allocation")(bench_allocation)

Elements = Annotated[int, typer.Option("--elements", min=1, help="How many network elements.")]
GroupsPerElement = Annotated[
    int, typer.Option("--groups-per-element", min=1, max=4, help="Groups behind each of them.")
]

Dso = Annotated[
    bool,
    typer.Option(
        "--dso",
        help="A whole operator: so many cables under transformers, feeders and substations, two groups on every third.",
    ),
]
Send = Annotated[bool, typer.Option("--send", help="Also deliver every message to a peer in another process.")]

Cables = Annotated[int, typer.Option("--elements", min=1, help="How many cables.")]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep", help="Keep the database; where one of this size was kept before, go on from its last cycle."
    ),
]

Comparing = Callable[[str, DsoPlan, Settings, Show], Awaitable[Compared]]

bench.command("forecast")(bench_forecast)


@bench.command("cycle")
def bench_cycle(
    elements: Elements = 1000,
    groups_per_element: GroupsPerElement = 3,
    dso: Dso = False,
    send: Send = False,
    keep: Keep = False,
    engine: EngineAddress = LOCAL,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """A usual publication cycle over made-up elements with eight weeks of history; the first fit is told apart."""
    settings = settings_of(config)
    with database(settings) as dsn:
        made = DsoPlan(cables=elements) if dso else bench_plan(elements, groups_per_element)
        result = run_until_stopped(_bench_cycle(dsn, settings, made, send=send, keep=keep, engine=engine))
        if as_json:
            print(msgspec.json.encode(result).decode(), flush=True)  # noqa: T201
        else:
            _show(result)
        if keep:
            run_until_stopped(tidy(beside(dsn, _name(made))))


@bench.command("intake")
def bench_messages(
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="How long each round takes.")] = 5.0,
    connections: Annotated[int, typer.Option("--connections", min=1, help="Requests under way at a time.")] = 64,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Measurements taken in, beside a bare application that inserts a row for each request."""
    with database(settings_of(config)) as dsn:
        result = run_until_stopped(bench_intake(dsn, seconds=seconds, connections=connections))
    if as_json:
        print(msgspec.json.encode(result).decode())  # noqa: T201
        return
    table = Table("", "requests/s", "p50 [ms]", "p99 [ms]", title=f"intake: {result.ratio:.2f} times the bare one")
    for name, side in (("ampacity", result.ampacity), ("bare", result.bare)):
        table.add_row(name, f"{side.requests_per_s:.0f}", f"{side.p50_ms:.1f}", f"{side.p99_ms:.1f}")
    plain_console().print(table)


@bench.command("intake-measurements")
def bench_readings(
    elements: Annotated[int, typer.Option("--elements", min=1, help="How many network elements.")] = 300_000,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """A quarter hour's readings of all elements on three phases, from a CSV and a Parquet file and over HTTP."""
    with database(settings_of(config)) as dsn:
        result = run_until_stopped(bench_measurements(dsn, elements))
    if as_json:
        print(msgspec.json.encode(result).decode())  # noqa: T201
        return
    table = Table("", "seconds", title=f"{result.readings} readings of a quarter hour")
    table.add_row("CSV", f"{result.csv_s:.1f}")
    table.add_row("Parquet", f"{result.parquet_s:.1f}")
    table.add_row(f"HTTP, {result.requests} requests", f"{result.http_s:.1f}")
    plain_console().print(table)


@bench.command("requests")
def bench_negotiation(
    elements: Annotated[int, typer.Option("--elements", min=1, help="How many cables.")] = 10_000,
    per_s: Annotated[float, typer.Option("--rate", min=0.1, help="Requests a second.")] = 200.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long they are sent.")] = 60.0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Requests for capacity, taken and answered by a server that decides a whole operator's cycle meanwhile."""
    settings = settings_of(config)
    with database(settings) as dsn:
        result = run_until_stopped(_bench_requests(dsn, settings, DsoPlan(cables=elements), per_s, seconds))
    if as_json:
        print(msgspec.json.encode(result).decode())  # noqa: T201
        return
    table = Table("", "middle", "99 %", title=f"{result.requests} requests, {result.groups} groups")
    table.add_row("to the 204 [ms]", f"{result.taken_p50_ms:.1f}", f"{result.taken_p99_ms:.1f}")
    table.add_row("to the answer [s]", f"{result.answered_p50_s:.2f}", f"{result.answered_p99_s:.2f}")
    table.add_row("from the gate to it [s]", f"{result.after_gate_p50_s:.2f}", f"{result.after_gate_p99_s:.2f}")
    console = plain_console()
    console.print(table)
    console.print(
        f"not answered: {result.unanswered}; the cycle beside them was decided after {result.cycle_s:.1f} s; "
        f"the gate was closed for {result.gate_closed_s:.1f} s"
    )


@bench.command("refit")
def bench_learning(elements: Cables = 3000, config: Config = None, as_json: AsJson = False) -> None:
    """A usual night's learning of a whole operator, a share of its models fitted anew; then all of them at once."""
    settings = settings_of(config)
    with database(settings) as dsn:
        result = run_until_stopped(_bench_refit(dsn, DsoPlan(cables=elements), settings))
    if as_json:
        print(msgspec.json.encode(result).decode())  # noqa: T201
        return
    table = Table("", "elements fitted anew", "clock [s]", "CPU [s]", "CPU of PostgreSQL [s]", "peak [MiB]")
    for name, learnt in (("a night", result.night), ("all at once", result.whole)):
        table.add_row(name, *_learnt_cells(learnt))
    table.title = f"{result.elements} elements, {result.series} series, {result.history_days} days of history"
    plain_console().print(table)


def _learnt_cells(learnt: Learnt) -> tuple[str, ...]:
    of_database = "" if learnt.database_processor_s is None else f"{learnt.database_processor_s:.1f}"
    return (
        str(learnt.fitted), f"{learnt.seconds:.1f}", f"{learnt.processor_s:.1f}", of_database, f"{learnt.peak_mib:.0f}"
    )  # fmt: skip


@bench.command("servers")
def bench_several_servers(elements: Cables = 3700, config: Config = None, as_json: AsJson = False) -> None:
    """All models fitted anew by one server, and by two that share the work, each on a processor of its own."""
    _compare(bench_servers, "models fitted anew", elements, config, as_json)


@bench.command("workers")
def bench_several_workers(
    elements: Cables = 3000,
    models: Annotated[bool, typer.Option("--models", help="Fit all models anew instead, as once a week.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """All forecasts made by one worker of a Dask cluster, and by two, each on a processor of its own."""
    what = "models fitted anew" if models else "forecasts made, with their bases"
    _compare(partial(bench_workers, models=models), what, elements, config, as_json)


def _compare(bench_of: Comparing, what: str, elements: int, config: Path | None, as_json: bool) -> None:
    """The same work by one and by several."""
    settings = settings_of(config)
    with database(settings) as dsn:
        result = run_until_stopped(_compared(dsn, bench_of, DsoPlan(cables=elements), settings))
    if as_json:
        print(msgspec.json.encode(result).decode())  # noqa: T201
        return
    columns = [("in all [s]", result)] + ([("computing alone [s]", result.computing)] if result.computing else [])
    table = Table("", *(heading for heading, _ in columns), title=f"{what}: {result.elements} elements")
    table.add_row("one", *(f"{found.one_s:.1f}" for _, found in columns))
    table.add_row(f"{result.several}", *(f"{found.several_s:.1f}" for _, found in columns))
    table.add_row("times as fast", *(f"{found.times:.2f}" for _, found in columns))
    plain_console().print(table)


@bench.command("send")
def bench_sending(
    messages: Annotated[int, typer.Option("--messages", min=10, help="How many, over http and over https.")] = 5000,
    as_json: AsJson = False,
) -> None:
    """Messages a second to a peer in another process, over http and https, beside plain httpx in the same run."""
    results = [run_until_stopped(bench_send(scheme, messages)) for scheme in ("http", "https")]
    if as_json:
        print(msgspec.json.encode(results).decode())  # noqa: T201
        return
    table = Table("", "ours/s", "CPU [us]", "plain httpx/s", "CPU [us]", "ratio", title=f"{messages} messages sent")
    for r in results:
        figures = (r.ours_per_s, r.ours_cpu_us, r.httpx_per_s, r.httpx_cpu_us)
        table.add_row(r.scheme, *(f"{f:.0f}" for f in figures), f"{r.ratio:.1f}")
    plain_console().print(table)


async def _bench_refit(dsn: str, plan: DsoPlan, settings: Settings) -> RefitFigures:
    async with scratch_database(dsn) as scratch:
        with stage_progress() as show:
            return await bench_refit(scratch, plan, settings, show)


async def _compared(dsn: str, bench_of: Comparing, plan: DsoPlan, settings: Settings) -> Compared:
    async with scratch_database(dsn) as scratch:
        with stage_progress() as show:
            return await bench_of(scratch, plan, settings, show)


async def _bench_requests(dsn: str, settings: Settings, plan: DsoPlan, per_s: float, seconds: float) -> RequestFigures:
    async with scratch_database(dsn) as scratch:
        with stage_progress() as show:
            return await bench_requests(scratch, plan, settings, show, per_s=per_s, seconds=seconds)


async def _bench_cycle(
    dsn: str, settings: Settings, plan: DistrictPlan | DsoPlan, *, send: bool, keep: bool, engine: str
) -> CycleBench:
    async def fill(address: str) -> None:
        with stage_progress() as show:
            if isinstance(plan, DsoPlan):
                await prepare_dso(address, plan, settings, show)
            else:
                await prepare(address, plan, show)

    end = (plan.sampled if isinstance(plan, DsoPlan) else plan).window.end_moment
    async with kept_database(dsn, _name(plan), fill) if keep else filled_database(dsn, fill) as address:
        return await asyncio.to_thread(
            run_apart, address, end, settings, send=send, models_copied=isinstance(plan, DsoPlan), engine=engine
        )


def _name(plan: DistrictPlan | DsoPlan) -> str:
    """Of the database that is kept of a plan."""
    if isinstance(plan, DsoPlan):
        return f"ampacity_bench_dso_{plan.cables}"
    return f"ampacity_bench_{plan.cables}_{plan.groups_per_cable}"


def _show(result: CycleBench) -> None:
    table = Table(title=f"one cycle: {result.elements} elements, {result.groups} groups, {result.messages} messages")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, seconds in result.stages.items():
        table.add_row(name, f"{seconds:.2f}")
    table.add_row("in all", f"{result.total_s:.2f}", style="bold")
    console = plain_console()
    console.print(table)
    database = "" if result.database_processor_s is None else f", of PostgreSQL {result.database_processor_s:.1f} s"
    console.print(
        f"peak memory {result.peak_mib:.0f} MiB; processor time {result.processor_s:.1f} s{database}; "
        f"{result.log_mib:.0f} MiB of write-ahead log"
    )
    if result.first is not None:
        does = "which decides fallbacks, with copied models" if result.models_copied else "which fits all models"
        console.print(f"first cycle, {does}: {result.first.total_s:.1f} s, {result.first.peak_mib:.0f} MiB")
    console.print(
        f"first one after a restart: {result.restarted_s:.1f} s; "
        f"beside them, five times a day, the bases of the next hours: {result.bases_s:.1f} s"
    )
    console.print(
        f"one that decides fallbacks too, once a day: {result.with_fallbacks.total_s:.1f} s, "
        f"{result.with_fallbacks.peak_mib:.0f} MiB"
    )
    if result.sent is not None:
        console.print(
            f"delivered: {result.sent.first_messages} messages at first, {result.sent.first_per_s:.0f} a second; "
            f"{result.sent.usual_messages} after that, {result.sent.usual_s:.1f} s a cycle"
        )
