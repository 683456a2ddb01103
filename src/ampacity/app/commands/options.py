"""What several commands ask for: the settings file, a moment, JSON."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ampacity.app.session import Store, database, open_store
from ampacity.app.settings import Settings, load_settings

T = TypeVar("T")

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); by default ampacity.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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


def with_store(config: Path | None, work: Callable[[Store, Settings], Awaitable[T]]) -> T:
    """Open the database, do the work, close it; also when told to stop."""
    settings = settings_of(config)

    async def run(dsn: str) -> T:
        async with open_store(dsn, settings) as store:
            return await work(store, settings)

    with database(settings) as dsn:
        return run_until_stopped(run(dsn))


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` that treats SIGTERM as Ctrl-C: everything is closed in order."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    return asyncio.run(work)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
