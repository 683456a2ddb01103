"""`ampacity serve`."""

import asyncio
import logging
from contextlib import nullcontext
from typing import Annotated

import msgspec
import typer

from ampacity.app.clock import make_clock
from ampacity.app.commands.options import At, Config, EngineAddress, run_until_stopped, settings_of
from ampacity.app.engine import LOCAL
from ampacity.app.logs import log_to_stderr
from ampacity.app.plain import plain_console
from ampacity.app.sandbox import sandbox_database, sandbox_invitation
from ampacity.app.schedule import log_cycle
from ampacity.app.server import Apart, build_server, started
from ampacity.app.session import database, open_store
from ampacity.app.settings import Settings

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on; by default that of the settings.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on; by default that of the settings.")]
Speed = Annotated[float, typer.Option("--speed", min=0.01, help="How many times as fast as the wall time runs.")]


Sandbox = Annotated[
    bool,
    typer.Option("--sandbox", help="Serve providers' developers, on a fresh database of its own with made-up groups."),
]


def serve(
    host: Host = None,
    port: Port = None,
    at: At = None,
    speed: Speed = 1.0,
    sandbox: Sandbox = False,
    engine: EngineAddress = LOCAL,
    config: Config = None,
) -> None:
    """Serve peers, and run a publication cycle at once and at each quarter hour."""
    settings = listening_on(settings_of(config), host, port)
    log_to_stderr(logging.INFO)
    clock = make_clock(at, speed)
    console = plain_console(stderr=True)

    is_apart = settings.server.apart and not sandbox  # a sandbox shows the messages that one process saw

    async def run(dsn: str) -> None:
        async with (
            sandbox_database(dsn) if sandbox else nullcontext(dsn) as address,
            open_store(address, settings, engine=LOCAL if is_apart else engine) as store,
            started(
                build_server(
                    store,
                    settings,
                    clock,
                    on_cycle=log_cycle,
                    sandbox=sandbox,
                    apart=Apart(dsn=address, engine=engine) if is_apart else None,
                )
            ),
        ):
            if sandbox:
                console.print(msgspec.json.encode(await sandbox_invitation(store.pool, settings)).decode())
            console.print(
                f"serving on {settings.server.base_url()}, data time {clock():%Y-%m-%d %H:%M} UTC; Ctrl-C ends"
            )
            await asyncio.Event().wait()

    with database(settings) as dsn:
        run_until_stopped(run(dsn))


def listening_on(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with the options of the command over them."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))
