"""Weather as it comes, at instants of any spacing, brought to quarters that are stamped with their start."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ampacity.timegrid import QUARTER_S, Window

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

LONGEST_GAP_S = 3 * 3600  # beyond it nothing is interpolated
INSTANTANEOUS = ("temperature_c", "wind_speed_m_s")
MEANS = ("global_radiation_w_m2",)


def weather_on_quarters(
    window: Window, cells: int, cell: Ints, valid_s: Ints, values: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Each variable per cell and quarter, shape (cells, T); NaN where unknown.

    Temperature and wind hold at their instant: a quarter gets the value at its start,
    interpolated.  Radiation is the mean of the interval that ends at its instant: a quarter
    gets its own mean, with the energy kept.

    Args:
        window: The quarters wanted.
        cells: How many cells there are.
        cell: Index of the cell of each row, shape (N,).
        valid_s: Instant of each row [s since 1970-01-01T00:00Z], shape (N,).
        values: Each variable per row, shape (N,); of rows of the same cell and instant the last one holds.
    """
    start_s = window.quarters() * QUARTER_S
    found = {name: np.full((cells, window.count), np.nan) for name in values}
    for c in np.unique(cell):
        rows = np.flatnonzero(cell == c)
        for name, all_values in values.items():
            times, series = _newest(valid_s[rows], all_values[rows])
            if times.size:
                on_quarters = _interval_means if name in MEANS else _at_instants
                found[name][c] = on_quarters(start_s, times, series)
    return found


def _newest(valid_s: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Of the rows of an instant the last that has a value; ascending."""
    has = ~np.isnan(values)
    valid_s, values = valid_s[has][::-1], values[has][::-1]
    times, first = np.unique(valid_s, return_index=True)
    return times, values[first]


def _at_instants(start_s: Ints, times: Ints, values: Floats) -> Floats:
    found = np.interp(start_s, times, values, left=np.nan, right=np.nan)
    after = np.searchsorted(times, start_s, side="left").clip(0, len(times) - 1)
    before = (np.searchsorted(times, start_s, side="right") - 1).clip(0, len(times) - 1)
    return np.where(times[after] - times[before] <= LONGEST_GAP_S, found, np.nan)


def _interval_means(start_s: Ints, times: Ints, values: Floats) -> Floats:
    """Mean over [start, start + 900 s) of a value that holds over the interval before each time."""
    length = _interval_s(times)
    edges = np.concatenate([[times[0] - length[0]], times])
    known = np.concatenate([[True], np.diff(times) <= LONGEST_GAP_S])
    energy = np.concatenate([[0.0], np.cumsum(np.where(known, values * length, 0.0))])
    covered = np.concatenate([[0.0], np.cumsum(np.where(known, length, 0.0))])
    ends_s = start_s + QUARTER_S
    sums = np.interp(ends_s, edges, energy) - np.interp(start_s, edges, energy)
    cover = np.interp(ends_s, edges, covered) - np.interp(start_s, edges, covered)
    return np.where(cover >= QUARTER_S / 2, sums / np.maximum(cover, 1.0), np.nan)


def _interval_s(times: Ints) -> Ints:
    """Length of the interval that ends at each time [s]."""
    if len(times) == 1:
        return np.array([QUARTER_S], np.int64)
    steps = np.diff(times)
    return np.concatenate([[np.int64(np.median(steps))], steps])
