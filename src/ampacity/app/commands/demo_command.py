"""`ampacity demo`."""

import logging
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zlib import crc32

import msgspec
import typer

from ampacity.app.clock import DataClock
from ampacity.app.commands.options import At, Config, run_until_stopped, settings_of
from ampacity.app.demo.inputs import DemoInput, demo_input, live_begin
from ampacity.app.demo.run import Demo
from ampacity.app.listening import free_port
from ampacity.app.logs import log_to_stderr
from ampacity.app.plain import plain_console
from ampacity.app.progress import file_progress
from ampacity.app.scratch_database import named_database, scratch_database
from ampacity.app.session import Store, database, open_store
from ampacity.app.settings import Settings
from ampacity.errors import Unsuitable
from ampacity.intake import read_folder
from ampacity.intake.bundled import bundled_folder
from ampacity.simulation.district import DistrictPlan, make_district

LIVE_SPEED = 90.0  # a quarter hour every 10 s
ONCE_SPEED = 10.0  # one cycle, with time to negotiate before the next

Once = Annotated[bool, typer.Option("--once", help="One full cycle with every promise checked; status 0 or 1.")]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="An input folder; by default the bundled district.")
]
Synthetic = Annotated[bool, typer.Option("--synthetic", help="A made-up district with weather instead.")]
Speed = Annotated[float | None, typer.Option("--speed", min=0.1, help="How many times as fast as the wall time runs.")]
Homes = Annotated[int, typer.Option("--homes", min=1, help="Homes of the made-up district.")]
Cables = Annotated[int, typer.Option("--cables", min=1, help="Cables of the made-up district.")]
Seed = Annotated[int, typer.Option("--seed", help="Another seed, another district.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on; by default a free one.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what an earlier demonstration on this input left.")]


def demo(
    once: Once = False,
    folder: FolderOption = None,
    synthetic: Synthetic = False,
    at: At = None,
    speed: Speed = None,
    homes: Homes = 400,
    cables: Cables = 8,
    seed: Seed = 1,
    port: Port = None,
    fresh: Fresh = False,
    config: Config = None,
) -> None:
    """Show everything at work: a server, and two Flexibility Providers that speak OSCP with it."""
    log_to_stderr(logging.WARNING)
    console = plain_console()
    if synthetic and folder is not None:
        raise Unsuitable("--synthetic makes a district itself: leave --folder out")
    plan = DistrictPlan(homes=homes, cables=cables, seed=seed)
    chosen = _synthetic(plan, at) if synthetic else _folder(folder, at)
    settings = _demo_settings(settings_of(config), port)
    pace = speed or (ONCE_SPEED if once else LIVE_SPEED)

    async def run(dsn: str) -> None:
        async with _database(dsn, chosen, once=once, fresh=fresh) as mine, open_store(mine, settings) as store:
            clock = DataClock(await _begin(store, chosen, at), pace)
            show = Demo(chosen=chosen, store=store, settings=settings, clock=clock, console=console)
            await (show.once() if once else show.live())

    with database(settings) as dsn:
        run_until_stopped(run(dsn))


def _folder(folder: Path | None, at: datetime | None) -> DemoInput:
    with file_progress() as progress:
        given = read_folder(folder or bundled_folder(), progress=progress)
    default = given.measurements.window.end_moment if folder else live_begin(given)
    return demo_input((folder or bundled_folder()).resolve().name, given, at, default)


def _synthetic(plan: DistrictPlan, at: datetime | None) -> DemoInput:
    given = make_district(plan)
    return demo_input(f"synthetic-{plan.homes}-{plan.cables}-{plan.seed}", given, at, live_begin(given))


def _demo_settings(settings: Settings, port: int | None) -> Settings:
    """On the loopback, whose addresses may be called."""
    host = "127.0.0.1"
    server = msgspec.structs.replace(settings.server, host=host, port=port or free_port(host), public_url="")
    hosts = tuple(sorted({*settings.oscp.trusted_hosts, host}))
    oscp = msgspec.structs.replace(settings.oscp, trusted_hosts=hosts, heartbeat_interval_s=2.0)
    console = msgspec.structs.replace(settings.console, secure_cookies=False)  # http, on this machine alone
    return msgspec.structs.replace(settings, server=server, oscp=oscp, console=console)


def _database(dsn: str, chosen: DemoInput, *, once: bool, fresh: bool) -> AbstractAsyncContextManager[str]:
    """A database apart from all others; that of a live demonstration is kept, and it carries on there."""
    if once:
        return scratch_database(dsn)
    return named_database(dsn, f"ampacity_demo_{crc32(chosen.name.encode()):08x}", fresh=fresh)


async def _begin(store: Store, chosen: DemoInput, at: datetime | None) -> datetime:
    """Where an earlier demonstration stopped, else the input's begin."""
    last = await store.cycles.last_cycle()
    return chosen.at if last is None or at is not None else max(chosen.at, last.slot)
