"""`ampacity weather`: take in the newest weather."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import Config, with_store
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.intake.faults import FaultList
from ampacity.intake.types import WeatherTable
from ampacity.intake.weather import read_weather
from ampacity.operations.fetch_weather import fetch_weather, keep_weather
from ampacity.weather import DropFolder, open_meteo


def weather(
    *,
    since: Annotated[
        str | None, typer.Option(help="Also what had been forecast a day before, from this date (YYYY-MM-DD) on.")
    ] = None,
    config: Config = None,
) -> None:
    """Fetch the weather forecast of the grid's places and take in the files of the drop folder."""
    day = date.fromisoformat(since) if since else None
    for line in with_store(config, lambda store, settings: take_weather(store, settings, day)):
        typer.echo(line)


async def take_weather(store: Store, settings: Settings, since: date | None = None) -> list[str]:
    """Everything that the settings name, once; what was done, in words.

    Raises:
        NotReady: no source is set.
    """
    told = []
    if settings.weather.drop_folder:
        told += await _take_files(store, Path(settings.weather.drop_folder))
    if settings.weather.source == "open-meteo":
        async with open_meteo(settings.open_meteo) as source:
            added = await fetch_weather(source, grid=store.grid, now=wall_clock(), since=since)
        told.append(f"Open-Meteo: {added} values added")
    if not told and not settings.weather.drop_folder:
        raise NotReady('no weather source is set: give [weather] source = "open-meteo" or a drop_folder')
    return told


async def _take_files(store: Store, folder: Path) -> list[str]:
    drop, told = DropFolder(folder=folder, read=read_weather_file), []
    for file in drop.waiting():
        rows = drop.take(file)
        if rows is None:
            told.append(f"{file.name}: refused, the reasons lie beside it")
            continue
        told.append(f"{file.name}: {await keep_weather(rows, grid=store.grid)} values added")
        drop.done(file)
    return told


def read_weather_file(file: Path) -> WeatherTable:
    """One file in the format of `weather.csv`, whatever its name.

    Raises:
        Unsuitable: lists every fault.
    """
    ending = "".join(file.suffixes[-2:]) if file.name.endswith(".csv.gz") else file.suffix
    faults = FaultList()
    with tempfile.TemporaryDirectory() as alone:
        (Path(alone) / f"weather{ending}").symlink_to(file.resolve())
        table = read_weather(Path(alone), faults, None)
    faults.raise_if_any()
    return table
