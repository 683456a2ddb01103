"""Weather from the sources that the settings name, each attempt noted."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ampacity.app.clock import wall_clock
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import AmpacityError, NotReady, Unsuitable
from ampacity.intake import DropFolder
from ampacity.intake.drop_folder import under_name
from ampacity.intake.faults import FaultList
from ampacity.intake.types import WeatherTable
from ampacity.intake.weather import read_weather
from ampacity.operations.fetch_weather import fetch_weather, keep_weather
from ampacity.weather import open_meteo

OPEN_METEO, DROP_FOLDER = "open-meteo", "drop folder"
_LOG = logging.getLogger(__name__)
_SHORTEST_WAIT_S = 1.0
_REFUSED = "{}: refused, the reasons lie beside it"


async def take_weather(store: Store, settings: Settings, since: date | None = None) -> list[str]:
    """Everything that the settings name, once; what was done, in words.

    Raises:
        NotReady: no source is set.
        Unreachable, Refused: the service does not answer, or refuses.
    """
    told = []
    if settings.weather.drop_folder:
        taken = await _take_files(store, Path(settings.weather.drop_folder))
        told += [_REFUSED.format(name) if added is None else f"{name}: {added} values added" for name, added in taken]
    if settings.weather.source == OPEN_METEO:
        told.append(f"Open-Meteo: {await _fetch(store, settings, since)} values added")
    if not told and not settings.weather.drop_folder:
        raise NotReady('no weather source is set: give [weather] source = "open-meteo" or a drop_folder')
    return told


async def _fetch(store: Store, settings: Settings, since: date | None) -> int:
    async with open_meteo(settings.open_meteo) as source:
        return await fetch_weather(source, grid=store.grid, now=wall_clock(), since=since)


async def _take_files(store: Store, folder: Path) -> list[tuple[str, int | None]]:
    """The name of each file and how many values it added; None where it was refused."""
    drop, taken = DropFolder(folder=folder, read=read_weather_file), list[tuple[str, int | None]]()
    for file in drop.waiting():
        rows = drop.take(file)
        if rows is None:
            taken.append((file.name, None))
            continue
        taken.append((file.name, await keep_weather(rows, grid=store.grid)))
        drop.done(file)
    return taken


def read_weather_file(file: Path) -> WeatherTable:
    """One file in the format of `weather.csv`, whatever its name.

    Raises:
        Unsuitable: lists every fault.
    """
    faults = FaultList()
    with under_name(file, "weather") as alone:
        table = read_weather(alone, faults, None)
    faults.raise_if_any()
    return table


@dataclass(frozen=True, kw_only=True)
class WeatherRounds:
    """Takes weather in again and again, as often as the settings say; of several servers one does it at a time."""

    store: Store
    settings: Settings

    @property
    def sources(self) -> Sequence[str]:
        """What there is to take weather from; empty: nothing is ever fetched."""
        set_here = ((OPEN_METEO, self.settings.weather.source), (DROP_FOLDER, self.settings.weather.drop_folder))
        return [name for name, given in set_here if given]

    @property
    def every(self) -> timedelta:
        return timedelta(minutes=self.settings.weather.every_min)

    async def run(self) -> None:
        """A round at once and one in each interval, until cancelled; whatever fails is tried again in the next."""
        while self.sources:
            for source in self.sources:
                try:
                    await self.round(source)
                except Exception:  # noqa: BLE001
                    # A supervisor: the database restarts, say; the cycles go on with the weather there is.
                    _LOG.exception("taking in weather from %s failed", source)
            await asyncio.sleep(max(self.every.total_seconds() / 4, _SHORTEST_WAIT_S))

    async def round(self, source: str) -> bool:
        """One attempt, noted with how it went; false where one was made within the interval already."""
        log, now = self.store.weather_fetches, wall_clock()
        if not await log.claim(source, now, now - self.every):
            return False
        try:
            added = await self._taken(source)
        except (AmpacityError, OSError) as failed:
            _LOG.warning("no weather from %s: %s", source, failed)
            await log.failed(source, str(failed))
        except BaseException:
            with suppress(Exception):
                await log.failed(source, "broken off; the server's log says why")
            raise
        else:
            await log.fetched(source, now, added)
        return True

    async def _taken(self, source: str) -> int:
        if source == OPEN_METEO:
            return await _fetch(self.store, self.settings, None)
        taken = await _take_files(self.store, Path(self.settings.weather.drop_folder))
        refused = [_REFUSED.format(name) for name, added in taken if added is None]
        if refused:
            raise Unsuitable(refused)
        return sum(added or 0 for _, added in taken)
