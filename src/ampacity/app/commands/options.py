"""What several commands ask for: the settings file, a moment, JSON."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ampacity.app.engine import LOCAL
from ampacity.app.secret import with_secret_key
from ampacity.app.session import Store, database, open_store
from ampacity.app.settings import Settings, load_settings
from ampacity.oscp.settings import OscpSettings

T = TypeVar("T")

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); by default ampacity.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

EngineAddress = Annotated[
    str,
    typer.Option(
        "--engine", metavar="local|dask://HOST:PORT", help="Where forecasts and shares are computed: here, or on Dask."
    ),
]


def parse_moment(text: str) -> datetime:
    """A moment with its zone, as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time, like 2026-01-31T12:00:00Z") from wrong
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone: write {text}Z for UTC")
    return moment.astimezone(UTC)


At = Annotated[
    datetime | None,
    typer.Option("--at", parser=parse_moment, metavar="TIME", help="Moment with zone; by default now."),
]


def settings_of(config: Path | None) -> Settings:
    """The settings from the file and the environment."""
    return load_settings(config, os.environ)


def secured(settings: Settings) -> OscpSettings:
    """The protocol's settings with the key for tokens."""
    return with_secret_key(settings, os.environ)


def with_store(config: Path | None, work: Callable[[Store, Settings], Awaitable[T]], *, engine: str = LOCAL) -> T:
    """Open the database, do the work, close it; also when told to stop."""
    settings = settings_of(config)

    async def run(dsn: str) -> T:
        async with open_store(dsn, settings, engine=engine) as store:
            return await work(store, settings)

    with database(settings) as dsn:
        return run_until_stopped(run(dsn))


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` that ends in order when told to: by Ctrl-C (also where a shell told us to ignore it) or SIGTERM.

    Raises:
        KeyboardInterrupt: it was told to.
    """
    task: asyncio.Task[T] | None = None

    async def guarded() -> T:
        nonlocal task
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError as stopped:
        raise KeyboardInterrupt from stopped
