"""A chunk of series of one weather cell as whole days: what the experts work on.

A *day* is 96 quarters from the daily base's origin on, numbered from 1970-01-01;
a lag of a day is 24 real hours, whatever the wall clock does.
"""

from dataclasses import dataclass, field

import numpy as np

from ampacity.forecasting.design import Design
from ampacity.forecasting.types import Bools, Floats, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, Window

FILTER_DAY, FILTER_WEEK = 0.7, 0.2
WEEK = 7 * QUARTERS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What every chunk of a cell shares over D days: the design and its filtered, weighted columns."""

    first_day: int
    columns: Floats32  # (D * 96, p)
    day_class: Ints  # (D, 96)
    design: Design
    half_life_days: float
    _memo: dict[object, object] = field(default_factory=dict, repr=False)

    @property
    def days(self) -> int:
        return len(self.day_class)

    def remembered(self, key: object, make: object) -> object:
        """What `make()` gave for this key the first time."""
        if key not in self._memo:
            self._memo[key] = make()  # type: ignore[operator]  # any maker of what the key names
        return self._memo[key]

    def clipped(self, first_day: int, end_day: int, low: Floats32, high: Floats32) -> Floats32:
        """The columns of whole days limited to ranges (p,); at hand where the ranges are those asked for last."""
        key = ("clipped", first_day, end_day)
        found: tuple[Floats32, Floats32, Floats32] | None = self._memo.get(key)  # type: ignore[assignment]  # keyed
        if found is None or not (np.array_equal(found[0], low) and np.array_equal(found[1], high)):
            found = (low, high, np.clip(self.columns[self.row(first_day) : self.row(end_day)], low, high))
            self._memo[key] = found
        return found[2]

    def row(self, day: int) -> int:
        """First row of an absolute day."""
        return (day - self.first_day) * QUARTERS_PER_DAY

    def weights(self) -> Floats:
        """Weight of each row, halved every `half_life_days`; only ratios matter."""
        age = np.arange(len(self.columns))[::-1] / QUARTERS_PER_DAY
        found: Floats = 0.5 ** (age / self.half_life_days)
        return found


@dataclass(frozen=True, kw_only=True)
class Panel:
    """S series over the same D days, each divided by its scale; holes filled and marked."""

    shared: Shared
    y: Floats32  # (S, D, 96)
    known: Bools  # (S, D, 96)

    @property
    def first_day(self) -> int:
        return self.shared.first_day

    def flat(self) -> Floats32:
        return self.y.reshape(len(self.y), -1)

    def known_flat(self) -> Bools:
        return self.known.reshape(len(self.y), -1)


def whole_days(window: Window, day_start_quarter: int) -> tuple[int, int]:
    """First and end of the whole days inside a window, as day numbers."""
    first = -((day_start_quarter - window.first) // QUARTERS_PER_DAY)
    return first, max(first, (window.end - day_start_quarter) // QUARTERS_PER_DAY)


def days_window(first_day: int, end_day: int, day_start_quarter: int) -> Window:
    """The quarters of whole days."""
    return Window(first_day * QUARTERS_PER_DAY + day_start_quarter, (end_day - first_day) * QUARTERS_PER_DAY)


def share(design: Design, first_day: int, half_life_days: float) -> Shared:
    """The design of whole days, ready for the experts."""
    return Shared(
        first_day=first_day,
        columns=np.ascontiguousarray(design.columns, np.float32),
        day_class=design.day_class.reshape(-1, QUARTERS_PER_DAY),
        design=design,
        half_life_days=half_life_days,
    )


def fill_holes(y: Floats32, known: Bools) -> Floats32:
    """Holes filled from the same quarter of near weeks and days, else the series' mean; shape (S, D, 96)."""
    if known.all():
        return y
    filled = np.where(known, y, np.nan).astype(np.float32)
    source = filled.copy()
    days = y.shape[1]
    for shift in (7, -7, 1, -1, 14, -14, 2, -2, 3, -3):
        if abs(shift) >= days:
            continue
        hole = np.isnan(filled)
        if not hole.any():
            return filled
        moved = np.full_like(source, np.nan)
        if shift > 0:
            moved[:, shift:] = source[:, :-shift]
        else:
            moved[:, :shift] = source[:, -shift:]
        filled[hole] = moved[hole]
    return _fill_with_means(filled)


def _fill_with_means(filled: Floats32) -> Floats32:
    hole = np.isnan(filled)
    if hole.any():
        count = np.maximum((~hole).sum(axis=(1, 2)), 1)
        mean = np.nansum(filled, axis=(1, 2)) / count
        filled[hole] = np.broadcast_to(mean[:, None, None], filled.shape)[hole]
    return filled
