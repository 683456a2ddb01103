"""`ampacity measurements`: take in files of measurements of the grid that is stored."""

from pathlib import Path
from typing import Annotated

import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import Config, with_store
from ampacity.app.gateway.files import take_file, take_waiting
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import NotReady

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="CSV, gzipped CSV or Parquet with the columns of `measurements`; none: those of [gateway] drop_folder.",
        metavar="[FILE]...",
    ),
]


def measurements(files: Files = None, config: Config = None) -> None:
    """Take in newly measured values, each file all of it or nothing; late and corrected ones become new versions."""
    for line in with_store(config, lambda store, settings: _take(store, settings, files or [])):
        typer.echo(line)


async def _take(store: Store, settings: Settings, files: list[Path]) -> list[str]:
    if files:
        return [await take_file(file, grid=store.grid, clock=wall_clock) for file in files]
    if not settings.gateway.drop_folder:
        raise NotReady("name a file, or set [gateway] drop_folder")
    return await take_waiting(Path(settings.gateway.drop_folder), grid=store.grid, clock=wall_clock)
