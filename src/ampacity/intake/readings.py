"""The rows of a file of loads: each belongs to an element or group, a phase and a moment, once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ampacity.intake.cells import LARGEST_W, UNKNOWN_TIME, keys, moments, numbers, parse
from ampacity.intake.faults import FaultList, Place
from ampacity.intake.source import Progress, Source, chunks

ALL = 3  # the phase `all`: evenly on every phase of its owner
PHASE_CODES = {"1": 0, "2": 1, "3": 2, "all": ALL}
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """n rows, ordered by owner, phase and time; every array has shape (n,)."""

    owner: Ints  # index of the element or group
    phase: Ints  # 0, 1, 2 or ALL
    start_s: Ints  # seconds since 1970
    load_w: NDArray[np.float64]
    row: Ints  # of the file, from 0

    @property
    def series(self) -> Ints:
        """A number for each owner and phase."""
        return self.owner * 4 + self.phase

    def at(self, which: NDArray[np.bool_] | Ints) -> "Readings":
        """Some of the rows."""
        return Readings(
            owner=self.owner[which],
            phase=self.phase[which],
            start_s=self.start_s[which],
            load_w=self.load_w[which],
            row=self.row[which],
        )


def read_rows(
    source: Source, id_column: str, index: Mapping[str, int] | None, faults: FaultList, progress: Progress | None
) -> Readings:
    """The rows that say something, in the order of owner, phase and file; the others are noted as faults.

    `index` numbers the elements or groups; None where they are not known: then there are faults at most, and no rows.
    """
    parts = [_parsed(frame, source.place, id_column, index, faults) for frame in chunks(source, faults, progress)]
    readings = Readings(
        owner=_joined([p.owner for p in parts], np.int64),
        phase=_joined([p.phase for p in parts], np.int64),
        start_s=_joined([p.start_s for p in parts], np.int64),
        load_w=_joined([p.load_w for p in parts], np.float64),
        row=_joined([p.row for p in parts], np.int64),
    )
    return readings.at(np.argsort(readings.series, kind="stable"))


def _joined(parts: list[NDArray[np.generic]], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind, copy=False)


def _parsed(
    frame: pd.DataFrame, place: Place, id_column: str, index: Mapping[str, int] | None, faults: FaultList
) -> Readings:
    unknown = "" if index is None else f"is no {id_column.removesuffix('_id')} of this folder"
    owner = parse(frame, id_column, keys(frame[id_column], index or {}, unknown), place, faults)
    phase = parse(frame, "phase", keys(frame["phase"], PHASE_CODES, "must be 1, 2, 3 or all"), place, faults)
    start_s = parse(frame, "start", moments(frame["start"]), place, faults)
    cells = numbers(frame["load_w"], least=-LARGEST_W, most=LARGEST_W, unit="W")
    load_w = parse(frame, "load_w", cells, place, faults)
    row = frame.index.to_numpy(np.int64)
    readings = Readings(owner=owner, phase=phase, start_s=start_s, load_w=load_w, row=row)
    return readings.at((owner >= 0) & (phase >= 0) & (start_s != UNKNOWN_TIME) & ~np.isnan(load_w))


def in_their_order(readings: Readings, place: Place, faults: FaultList) -> Readings:
    """The rows, each moment of a series once and ordered by time.

    A row that repeats an earlier one with the same load is left out; with another load, or out of the order of
    time, it is a fault.
    """
    series = readings.series
    step_s = np.diff(readings.start_s)
    if not ((np.diff(series) == 0) & (step_s <= 0)).any():
        return readings
    order = np.lexsort((readings.row, readings.start_s, series))
    ordered = readings.at(order)
    repeats = np.concatenate([[False], (np.diff(ordered.series) == 0) & (np.diff(ordered.start_s) == 0)])
    first = np.maximum.accumulate(np.where(repeats, 0, np.arange(len(order))))
    differs = np.flatnonzero(repeats & (ordered.load_w != ordered.load_w[first]))
    earlier = ordered.at(first[differs])
    if differs.size:
        faults.add_rows(
            place,
            "load_w",
            ordered.row[differs],
            lambda i: (
                f"{place.at(int(earlier.row[i]))} gives another load for the same time and phase "
                f"({ordered.load_w[differs[i]]:g}, there {earlier.load_w[i]:g})"
            ),
        )
    once = ordered.at(~repeats)
    _note_disorder(once, place, faults)
    return once


def _note_disorder(once: Readings, place: Place, faults: FaultList) -> None:
    """Rows that stand behind a later moment of their series in the file."""
    in_file = once.at(np.lexsort((once.row, once.series)))
    latest_s = pd.Series(in_file.start_s).groupby(in_file.series).cummax().to_numpy()
    late = np.flatnonzero(in_file.start_s < latest_s)
    if late.size:
        faults.add_rows(
            place,
            "start",
            in_file.row[late],
            lambda i: f"comes after {_iso(latest_s[late[i]])}: times must grow ({_iso(in_file.start_s[late[i]])})",
        )


def note_foreign_phases(
    readings: Readings, has_phase: NDArray[np.bool_], place: Place, faults: FaultList, what: str
) -> None:
    """Rows of a phase that their element or group does not have; `has_phase` has shape (N, 3)."""
    single = np.flatnonzero(readings.phase != ALL)
    foreign = single[~has_phase[readings.owner[single], readings.phase[single]]]
    if foreign.size:
        faults.add_rows(
            place,
            "phase",
            readings.row[foreign],
            lambda i: f"is no phase of this {what} ({readings.phase[foreign[i]] + 1})",
        )


def _iso(seconds: int) -> str:
    return f"{np.datetime64(int(seconds), 's')}Z"
