"""Measurements from files of a control system: each is stored as a whole or refused with all its faults."""

import asyncio
import logging
from functools import partial
from pathlib import Path

from ampacity.errors import Unsuitable
from ampacity.intake import DropFolder, LoadSeries
from ampacity.intake.drop_folder import under_name
from ampacity.intake.faults import FaultList
from ampacity.intake.series import Owners, read_series
from ampacity.network import Network
from ampacity.ports import Clock, GridStore
from ampacity.timegrid import moment_of

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 5.0


def read_measurements(file: Path, network: Network, clock: Clock) -> LoadSeries:
    """One file in the format of `measurements`, of elements that are stored.

    Raises:
        Unsuitable: lists every fault.
    """
    owners = Owners(
        table="measurements",
        id_column="element_id",
        ids=[e.element_id for e in network.elements],
        phases=[e.phases for e in network.elements],
        are_known=True,
    )
    faults = FaultList()
    with under_name(file, "measurements") as alone:
        series = read_series(alone, owners, faults, None, optional=False)
    faults.raise_if_any()
    last = moment_of(series.window.end - 1)
    if last > clock():
        raise Unsuitable(f"{file.name}: start {last.isoformat()} is yet to come")
    return series


async def take_file(file: Path, *, grid: GridStore, clock: Clock) -> str:
    """Store a file; what it changed, in words.

    Raises:
        Unsuitable: lists every fault.
    """
    series = await asyncio.to_thread(read_measurements, file, await grid.network(), clock)
    return await _store(file, series, grid=grid, clock=clock)


async def take_waiting(folder: Path, *, grid: GridStore, clock: Clock) -> list[str]:
    """Take in what lies in a drop folder and no other server has taken; what became of each file, in words."""
    told: list[str] = []
    for file in DropFolder(folder=folder, read=Path).waiting():
        drop = DropFolder(folder=folder, read=partial(read_measurements, network=await grid.network(), clock=clock))
        with drop.claimed(file) as mine:
            if mine is None:
                continue
            series = await asyncio.to_thread(drop.take, mine)
            if series is None:
                told.append(f"{file.name}: refused, the reasons lie beside it")
                continue
            told.append(await _store(file, series, grid=grid, clock=clock))
            drop.done(mine)
    return told


async def watch(folder: Path, *, grid: GridStore, clock: Clock) -> None:
    """Take in files as they come, for ever."""
    while True:
        try:
            for line in await take_waiting(folder, grid=grid, clock=clock):
                _LOG.info("%s", line)
        except Exception:  # noqa: BLE001
            # A supervisor: the database restarts, say; what was not stored lies in the folder still.
            _LOG.exception("taking in files failed")
        await asyncio.sleep(_LOOK_EVERY_S)


async def _store(file: Path, series: LoadSeries, *, grid: GridStore, clock: Clock) -> str:
    added, corrected = await grid.take_in_loads("element", series, clock())
    return f"{file.name}: {added} values added, {corrected} corrected"
