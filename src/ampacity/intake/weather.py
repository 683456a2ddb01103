"""The file of weather as a table of arrays."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ampacity.intake.cells import UNKNOWN_TIME, moments, numbers, parse
from ampacity.intake.faults import FaultList
from ampacity.intake.source import Progress, Source, chunks, find_source
from ampacity.intake.types import WeatherTable

TIMES = {"available_at": True, "valid_at": False}  # whether the cell may be empty
# Bounds: wide enough for any weather on Earth, narrow enough for a wrong unit or a code such as 9999 for "missing".
PLACES = {"latitude": (-90.0, 90.0, "degrees"), "longitude": (-180.0, 180.0, "degrees")}
VARIABLES = {
    "temperature_c": (-100.0, 70.0, "°C"),
    "global_radiation_w_m2": (-50.0, 2000.0, "W/m²"),
    "wind_speed_m_s": (0.0, 150.0, "m/s"),
}


def read_weather(folder: Path, faults: FaultList, progress: Progress | None) -> WeatherTable:
    """The table in the order of the file, repeated rows left out; empty where there is no file."""
    source = find_source(folder, "weather", (*TIMES, *PLACES, *VARIABLES), faults)
    if source is None:
        return WeatherTable.empty()
    parts = [_parsed(frame, source, faults) for frame in chunks(source, faults, progress)]
    table = pd.concat([part for part in parts if len(part)]) if any(len(part) for part in parts) else None
    if table is None:
        return WeatherTable.empty()
    table = _without_repeats(table, source, faults)
    return WeatherTable(
        available_at=_as_moments(table["available_at"]),
        valid_at=_as_moments(table["valid_at"]),
        **{name: table[name].to_numpy(np.float64) for name in (*PLACES, *VARIABLES)},
    )


def _parsed(frame: pd.DataFrame, source: Source, faults: FaultList) -> pd.DataFrame:
    columns: dict[str, NDArray[np.generic]] = {}
    for name, optional in TIMES.items():
        columns[name] = parse(frame, name, moments(frame[name], optional=optional), source.place, faults)
    for name, (least, most, unit) in (PLACES | VARIABLES).items():
        cells = numbers(frame[name], least=least, most=most, unit=unit, optional=name in VARIABLES)
        columns[name] = parse(frame, name, cells, source.place, faults)
    parsed = pd.DataFrame(columns, index=frame.index)
    return parsed[(parsed["valid_at"] != UNKNOWN_TIME) & parsed[list(PLACES)].notna().all(axis=1)]


def _without_repeats(table: pd.DataFrame, source: Source, faults: FaultList) -> pd.DataFrame:
    """Each place, moment and time of becoming known once; the same with other values is a fault."""
    once = table.drop_duplicates()
    again = np.flatnonzero(once.duplicated([*TIMES, *PLACES]).to_numpy())
    if again.size:
        rows = once.index.to_numpy(np.int64)[again]
        why = "an earlier line gives other weather for the same place, time and available_at"
        faults.add_rows(source.place, "valid_at", rows, lambda i: f"{why} ({_as_moments(once['valid_at'])[again[i]]}Z)")
    return once


def _as_moments(seconds: "pd.Series[int]") -> NDArray[np.datetime64]:
    return seconds.to_numpy(np.int64).view("datetime64[s]")  # UNKNOWN_TIME is NaT
