"""An input into the database: what is new is added, what differs is kept beside it as a correction."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable
from ampacity.forecasting import WeatherRows
from ampacity.network import Network
from ampacity.ports import Imported, Input, Series
from ampacity.store.grid import read_network, write_grid
from ampacity.store.pool import Connection
from ampacity.store.series import Subject, read_load, write_load
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_ROWS_AT_ONCE = 512
_VARIABLES = ("temperature_c", "global_radiation_w_m2", "wind_speed_m_s")
_WEATHER_COLUMNS = ["cell_no", "valid_at", "available_at", *_VARIABLES]


async def take_in(connection: Connection, given: Input, corrected_at: datetime) -> Imported:
    """Store an input in one transaction."""
    async with connection.transaction():
        change = await write_grid(connection, given.network.elements, given.network.groups, given.network.providers)
        stored = await read_network(connection)
        added = corrected = 0
        for subject, numbers, series in _series(given, stored):
            a, c = await _take_in_series(connection, subject, numbers, series, None, corrected_at)
            added, corrected = added + a, corrected + c
        weather = await take_in_weather(connection, given.weather)
    return Imported(
        records_added=change.added,
        records_changed=change.changed,
        values_added=added,
        values_corrected=corrected,
        weather_added=weather,
    )


def _series(given: Input, stored: Network) -> list[tuple[Subject, NDArray[np.int64], Series]]:
    elements = {e.element_id: i for i, e in enumerate(stored.elements)}
    groups = {g.group_id: i for i, g in enumerate(stored.groups)}
    return [
        ("element", np.array([elements[e.element_id] for e in given.network.elements], np.int64), given.measurements),
        ("group", np.array([groups[g.group_id] for g in given.network.groups], np.int64), given.group_measurements),
    ]


async def take_in_loads(
    connection: Connection, subject: Subject, series: Series, known_at: datetime
) -> tuple[int, int]:
    """Store what is new in values of all subjects; gives how many were added and how many corrected."""
    return await _take_in_series(connection, subject, np.arange(len(series.load_w)), series, known_at, known_at)


async def _take_in_series(
    connection: Connection,
    subject: Subject,
    numbers: NDArray[np.int64],
    series: Series,
    added_at: datetime | None,
    corrected_at: datetime,
) -> tuple[int, int]:
    """Gives how many values were added and how many corrected."""
    added = corrected = 0
    order = np.argsort(numbers, kind="stable")
    for run in _runs(numbers[order]):
        rows = order[run]
        first_no = int(numbers[rows[0]])
        new = series.load_w[rows]
        if series.window.count == 0 or np.isnan(new).all():
            continue
        known = await _stored(connection, subject, first_no, len(rows), series.window)
        is_added = ~np.isnan(new) & np.isnan(known)
        is_other = ~np.isnan(new) & ~np.isnan(known) & (new != known)
        await write_load(connection, subject, first_no, series.window, _only(new, is_added), added_at)
        await write_load(connection, subject, first_no, series.window, _only(new, is_other), corrected_at)
        added, corrected = added + int(is_added.sum()), corrected + int(is_other.sum())
    return added, corrected


def _runs(numbers: NDArray[np.int64]) -> list[slice]:
    """Runs of numbers that follow one another, at most `_ROWS_AT_ONCE` long."""
    if not numbers.size:
        return []
    edges = np.flatnonzero(np.diff(numbers) != 1) + 1
    bounds = [0, *edges.tolist(), len(numbers)]
    return [
        slice(i, min(i + _ROWS_AT_ONCE, stop))
        for start, stop in pairwise(bounds)
        for i in range(start, stop, _ROWS_AT_ONCE)
    ]


async def _stored(
    connection: Connection, subject: Subject, first_no: int, rows: int, window: Window
) -> NDArray[np.float32]:
    ever = datetime(9000, 1, 1, tzinfo=UTC)
    return await read_load(connection, subject, range(first_no, first_no + rows), window, ever)


def _only(values: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(where, values, np.float32(np.nan))


async def take_in_weather(connection: Connection, weather: WeatherRows) -> int:
    if not len(weather.valid_at):
        return 0
    places = np.stack([weather.latitude, weather.longitude], axis=1).astype(float)
    unique, where = np.unique(places, axis=0, return_inverse=True)
    await connection.execute(sql("add_weather_cells"), unique[:, 0].tolist(), unique[:, 1].tolist())
    numbers = {(r["latitude"], r["longitude"]): r["cell_no"] for r in await connection.fetch(sql("weather_cells"))}
    cell = np.array([numbers[(lat, lon)] for lat, lon in unique.tolist()])[where.ravel()]
    await connection.execute(sql("stage_weather"))
    await connection.copy_records_to_table(
        "staged_weather", records=_weather_records(weather, cell.tolist()), columns=_WEATHER_COLUMNS
    )
    if contradicted := await connection.fetchval(sql("contradicted_weather")):
        raise Unsuitable(f"weather: {contradicted} values differ from those stored for the same place, time and issue")
    status: str = await connection.execute(sql("add_staged_weather"))
    return int(status.rsplit(" ", 1)[-1])


def _weather_records(weather: WeatherRows, cell: list[int]) -> list[tuple[object, ...]]:
    valid, available = _datetimes(weather.valid_at), _datetimes(weather.available_at)
    values = [_floats(getattr(weather, name)) for name in _VARIABLES]
    return list(zip(cell, valid, available, *values, strict=True))


def _datetimes(moments: NDArray[np.datetime64]) -> list[datetime | None]:
    """Aware UTC datetimes; None for NaT."""
    return [None if m is None else m.replace(tzinfo=UTC) for m in moments.astype("M8[us]").tolist()]


def _floats(values: NDArray[np.floating]) -> list[float | None]:
    return [None if v != v else v for v in values.astype(float).tolist()]  # noqa: PLR0124  # NaN differs from itself
