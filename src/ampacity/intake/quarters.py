"""Readings of 5 to 60 minutes on the quarter-hour grid, their energy kept."""

import numpy as np
from numpy.typing import NDArray

from ampacity.intake.faults import FaultList, Place
from ampacity.intake.readings import ALL, Readings
from ampacity.intake.types import Floats, Loads, LoadSeries
from ampacity.network import PHASES
from ampacity.timegrid import QUARTER_S, Window

INTERVALS_S = np.array([300, 600, 900, 1800, 3600])
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def interval_of_owners(readings: Readings, owners: int, place: Place, faults: FaultList, id_column: str) -> Ints:
    """How long the readings of each element or group last [s], shape (owners,): their most frequent distance.

    One with fewer than three distances, none of them an interval, takes that of the whole file, else a quarter hour.
    """
    same = np.diff(readings.series) == 0
    step_s, owner = np.diff(readings.start_s)[same], readings.owner[1:][same]
    counts = np.stack([np.bincount(owner[step_s == s], minlength=owners) for s in INTERVALS_S], axis=1)
    steps = np.bincount(owner, minlength=owners)
    usual_s = INTERVALS_S[counts.sum(axis=0).argmax()] if counts.any() else QUARTER_S
    interval_s = np.where(counts.any(axis=1), INTERVALS_S[counts.argmax(axis=1)], usual_s)
    irregular = np.flatnonzero((steps - counts.sum(axis=1) > counts.max(axis=1)) & (steps >= 3))
    if irregular.size:
        first = np.searchsorted(readings.owner, irregular)
        faults.add_rows(
            place,
            "start",
            readings.row[first],
            lambda _: (
                f"most readings of this {id_column.removesuffix('_id')} are not 5, 10, 15, 30 or 60 minutes apart"
            ),
        )
        interval_s[irregular] = 1  # no further fault for each of its rows
    return interval_s


def note_off_grid(readings: Readings, interval_s: Ints, place: Place, faults: FaultList) -> None:
    """Rows that do not start on the grid: whole intervals within the hour, and from reading to reading."""
    each_s = interval_s[readings.owner]
    first = np.concatenate([[True], np.diff(readings.series) != 0])
    origin = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    grid_s = np.minimum(each_s, QUARTER_S)
    off = np.flatnonzero(
        (readings.start_s % grid_s != 0) | ((readings.start_s - readings.start_s[origin]) % each_s != 0)
    )
    if off.size:
        faults.add_rows(
            place,
            "start",
            readings.row[off],
            lambda i: (
                f"is off the grid of this series of {each_s[off[i]] // 60} minutes "
                f"({np.datetime64(int(readings.start_s[off[i]]), 's')}Z)"
            ),
        )


def note_doubly_given(readings: Readings, interval_s: Ints, place: Place, faults: FaultList) -> None:
    """Owners for which a quarter hour is given both for `all` and for a single phase; one fault for each of them."""
    is_all = readings.phase == ALL
    both = np.intersect1d(readings.owner[is_all], readings.owner[~is_all])
    if not both.size:
        return
    mixed = readings.at(np.isin(readings.owner, both))
    index, cell = _covered(mixed, interval_s)
    whole = mixed.phase[index] == ALL
    clash = index[whole][np.isin(cell[whole], cell[~whole])]
    owner, at = np.unique(mixed.owner[clash], return_index=True)
    if owner.size:
        faults.add_rows(
            place,
            "phase",
            mixed.row[clash[at]],
            lambda _: "is `all`, and single phases are given for the same time too",
        )


def _covered(readings: Readings, interval_s: Ints) -> tuple[Ints, Ints]:
    """Which row touches which quarter of its owner: row indices, and a number for the owner and the quarter."""
    index = np.arange(len(readings.row))
    end_s = readings.start_s + interval_s[readings.owner]
    rows, cells = [], []
    for k in range(4):
        quarter = readings.start_s // QUARTER_S + k
        touched = quarter * QUARTER_S < end_s
        rows.append(index[touched])
        cells.append((readings.owner * (1 << 40) + quarter)[touched])
    return np.concatenate(rows), np.concatenate(cells)


def to_quarters(readings: Readings, interval_s: Ints, has_phase: Bools) -> LoadSeries:
    """The readings as one array of quarter hours; nothing is filled in.

    A longer reading is repeated on its quarters, shorter ones are averaged over theirs, weighted by the time they
    share with it (a reading of 10 minutes can lie in two).  A quarter that is not wholly covered is NaN: its energy is
    not known.  `all` is spread evenly on the phases of its owner.

    Args:
        interval_s: Length of the readings of each owner [s], shape (N,).
        has_phase: Which phases each owner has, shape (N, 3).
    """
    if not readings.row.size:
        return LoadSeries.empty(len(has_phase))
    first = int(readings.start_s.min() // QUARTER_S)
    last_s = int((readings.start_s + interval_s[readings.owner]).max())
    window = Window(first, -(-last_s // QUARTER_S) - first)
    load_w = np.full((len(has_phase), PHASES, window.count), np.nan, np.float32)
    phases = has_phase.sum(axis=1)
    for length_s in np.unique(interval_s[readings.owner]).tolist():
        of_length = readings.at(interval_s[readings.owner] == length_s)
        for phase in range(PHASES):
            spread = of_length.phase == ALL
            on = of_length.at((of_length.phase == phase) | (spread & has_phase[of_length.owner, phase]))
            value_w = np.where(on.phase == ALL, on.load_w / phases[on.owner], on.load_w)
            place = _repeat if length_s >= QUARTER_S else _average
            place(load_w[:, phase], on.owner, on.start_s - first * QUARTER_S, value_w, length_s)
    return LoadSeries(window=window, load_w=load_w)


def _repeat(load_w: Loads, owner: Ints, start_s: Ints, value_w: Floats, length_s: int) -> None:
    """Write each reading to all quarters in it; `load_w` is (N, T), `start_s` counts from the first quarter."""
    for k in range(length_s // QUARTER_S):
        load_w[owner, start_s // QUARTER_S + k] = value_w


def _average(load_w: Loads, owner: Ints, start_s: Ints, value_w: Floats, length_s: int) -> None:
    """Write the mean of the readings in each quarter that they cover wholly; arguments as in `_repeat`."""
    known, which = np.unique(owner, return_inverse=True)
    count = load_w.shape[1]
    cell = which * count + start_s // QUARTER_S
    beyond_s = np.maximum(start_s % QUARTER_S + length_s - QUARTER_S, 0)  # lies in the next quarter
    covered_s = np.zeros(len(known) * count + 1)
    energy_ws = np.zeros_like(covered_s)
    for at, shared_s in ((cell, length_s - beyond_s), (cell + 1, beyond_s)):
        covered_s += np.bincount(at, shared_s, len(covered_s))
        energy_ws += np.bincount(at, shared_s * value_w, len(covered_s))
    mean_w = np.where(covered_s == QUARTER_S, energy_ws / QUARTER_S, np.nan)[:-1].reshape(len(known), count)
    load_w[known] = mean_w
