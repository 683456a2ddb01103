"""A file of loads as an array of quarter hours, or the list of what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ampacity.intake.faults import FaultList, Place
from ampacity.intake.quarters import interval_of_owners, note_doubly_given, note_off_grid, to_quarters
from ampacity.intake.readings import Readings, in_their_order, note_foreign_phases, read_rows
from ampacity.intake.source import Progress, find_source
from ampacity.intake.types import LoadSeries

LONGEST_YEARS = 20
YEAR_S = 365.25 * 86400


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Whom the readings of a file belong to: elements or groups, in their order, and the phases of each."""

    table: str
    id_column: str
    ids: Sequence[str]
    phases: Sequence[tuple[int, ...]]
    are_known: bool  # False: their own table cannot be read

    @property
    def has_phase(self) -> NDArray[np.bool_]:
        """Shape (N, 3)."""
        return np.array([[p in phases for p in (1, 2, 3)] for phases in self.phases], bool).reshape(-1, 3)


def read_series(
    folder: Path, owners: Owners, faults: FaultList, progress: Progress | None, *, optional: bool
) -> LoadSeries:
    """The loads per owner, phase and quarter hour; empty where faults were noted."""
    source = find_source(folder, owners.table, (owners.id_column, "start", "phase", "load_w"), faults)
    empty = LoadSeries.empty(len(owners.ids))
    if source is None:
        if not optional and not any(folder.glob(f"{owners.table}.*")):
            faults.add(Place(file=f"{owners.table}.csv"), "is missing")
        return empty
    before = len(faults)
    index = {name: i for i, name in enumerate(owners.ids)} if owners.are_known else None
    readings = read_rows(source, owners.id_column, index, faults, progress)
    if not readings.row.size:
        if not optional and owners.are_known and len(faults) == before:
            faults.add(source.place, "holds no readings")
        return empty
    readings, interval_s = _checked(readings, owners, source.place, faults)
    return to_quarters(readings, interval_s, owners.has_phase) if len(faults) == before else empty


def _checked(readings: Readings, owners: Owners, place: Place, faults: FaultList) -> tuple[Readings, NDArray[np.int64]]:
    """The readings in their order and the interval of each owner [s]; notes every fault between rows."""
    note_foreign_phases(readings, owners.has_phase, place, faults, owners.id_column.removesuffix("_id"))
    readings = in_their_order(readings, place, faults)
    interval_s = interval_of_owners(readings, len(owners.ids), place, faults, owners.id_column)
    note_off_grid(readings, interval_s, place, faults)
    note_doubly_given(readings, interval_s, place, faults)
    _note_span(readings, place, faults)
    return readings, interval_s


def _note_span(readings: Readings, place: Place, faults: FaultList) -> None:
    """Times so far apart that one of them must be wrong."""
    earliest, latest = readings.start_s.argmin(), readings.start_s.argmax()
    years = (readings.start_s[latest] - readings.start_s[earliest]) / YEAR_S
    if years > LONGEST_YEARS:
        faults.add(
            place,
            f"lies {years:.0f} years before {place.at(int(readings.row[latest]))}: "
            f"the readings of a folder may span {LONGEST_YEARS} years",
            row=int(readings.row[earliest]),
            column="start",
        )
