"""Meters whose clock moved: from a day on, the same daily course an hour earlier or later.

Looked for where the mean course of the days after fits that of the days before far better when it is moved, and
where that many quarters' difference is unusual for the series.  When the public clock changes, people's load moves on
the UTC grid by itself: that is no fault.  The clock of today holds, and older values are moved along with it; which of
the two clocks is right nobody can tell from the load alone, so the move is marked for people to look at.
"""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from ampacity.forecasting.types import Bools, Floats, Floats32, ForecastSettings, Ints, LoadHistory
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, local_calendar

LAGS_H = (-2, -1, 0, 1, 2)
MOVES_H = (-1, 1)  # what counts as a clock that moved
BEFORE_DAYS, AFTER_DAYS = 14, 7
BETTER = 0.5  # the moved course differs at most by so much of what the course as it is differs
UNUSUAL = 1.5  # the difference, in usual ones of the series from week to week


@dataclass(frozen=True, kw_only=True)
class ClockMoves:
    """Of each series of a block, (E * 3,): how many quarters later its course comes (0: no move), since which day."""

    moved: Ints
    since: Ints

    @classmethod
    def none(cls, series: int) -> "ClockMoves":
        """No clock moved."""
        return cls(moved=np.zeros(series, np.int64), since=np.zeros(series, np.int64))

    @property
    def count(self) -> int:
        return int((self.moved != 0).sum())


def clock_moves(y_w: Floats32, first_day: int, settings: ForecastSettings) -> ClockMoves:
    """The greatest move of each series' clock.

    Args:
        y_w: load of whole days (S, D, 96), NaN unknown.
        first_day: number of the first one.
    """
    series, days = y_w.shape[:2]
    moved, since = np.zeros(series, np.int64), np.zeros(series, np.int64)
    first, end = BEFORE_DAYS, days - AFTER_DAYS + 1
    if end - first < BEFORE_DAYS:
        return ClockMoves(moved=moved, since=since)
    difference = _differences(y_w)
    public = _public_changes(first_day, days, settings)
    usual = _usual(difference, public[first:end])
    zero = LAGS_H.index(0)
    for at, lag in ((LAGS_H.index(lag), lag) for lag in MOVES_H):
        least = difference.min(axis=2)
        fits = difference[:, :, at] <= least * 1.0001
        fits &= difference[:, :, at] < BETTER * difference[:, :, zero]
        fits &= difference[:, :, zero] > UNUSUAL * usual[:, None]
        fits &= ~public[None, first:end]
        gain = np.where(fits, difference[:, :, zero] / np.maximum(difference[:, :, at], 1e-9), 0)
        best = np.argmax(gain, axis=1)
        found = (gain[np.arange(series), best] > 0) & (best + first > since)
        moved[found], since[found] = lag * QUARTERS_PER_HOUR, first + best[found]
    return ClockMoves(moved=moved, since=np.where(moved != 0, since + first_day, 0))


def _differences(y_w: Floats32) -> Floats32:
    """Mean difference of the courses before and after each day for each lag, in sizes of the course, (S, N, L).

    The days are those with enough before and after them.
    """
    hourly_w = y_w.reshape(*y_w.shape[:2], -1, QUARTERS_PER_HOUR).mean(axis=3)
    known = np.isfinite(hourly_w)
    total = np.cumsum(np.where(known, hourly_w, 0), axis=1, dtype=np.float64)
    count = np.cumsum(known, axis=1, dtype=np.float32)
    before = _courses(total, count, BEFORE_DAYS)[:, : y_w.shape[1] - BEFORE_DAYS - AFTER_DAYS + 1]
    after = _courses(total, count, AFTER_DAYS)[:, BEFORE_DAYS:]
    size = np.abs(before).mean(axis=2) + 1e-9
    found = np.empty((*size.shape, len(LAGS_H)), np.float32)
    for i, lag in enumerate(LAGS_H):
        found[..., i] = np.abs(np.roll(after, -lag, axis=2) - before).mean(axis=2) / size
    return found


def _courses(total: Floats, count: Floats, days: int) -> Floats32:
    """Mean load by hour of so many days, less its mean, from each day on; zero where half of them are unknown."""
    sums, known = total[:, days - 1 :].copy(), count[:, days - 1 :].copy()
    sums[:, 1:] -= total[:, :-days]
    known[:, 1:] -= count[:, :-days]
    course = sums / np.maximum(known, 1)
    course -= course.mean(axis=2, keepdims=True)
    return np.where((known * 2 >= days).all(axis=2, keepdims=True), course, 0).astype(np.float32)


def _usual(difference: Floats, public: Bools) -> Floats:
    """Median difference of the course as it is, away from changes of the public clock, (S,)."""
    zero = difference[:, :, LAGS_H.index(0)]
    return np.asarray(np.median(zero[:, ~public] if (~public).any() else zero, axis=1))


def _public_changes(first_day: int, days: int, settings: ForecastSettings) -> Bools:
    """Days near enough to a change of the public clock that the courses beside them may differ by it, (D,)."""
    offset = utc_offset_quarters(first_day, days, settings.day_start_quarter, settings.zone)
    found = np.zeros(days, bool)
    for change in np.flatnonzero(np.diff(offset)) + 1:
        found[max(0, change - AFTER_DAYS) : change + BEFORE_DAYS] = True
    return found


@lru_cache(maxsize=8)
def utc_offset_quarters(first_day: int, days: int, day_start_quarter: int, zone: ZoneInfo) -> Ints:
    """How far local time is ahead of UTC at noon of each day [quarters], (D,)."""
    noon = (np.arange(first_day, first_day + days) + 0.5) * QUARTERS_PER_DAY + day_start_quarter
    hours = [local_calendar(Window(int(q), 1), zone).hour[0] - q % QUARTERS_PER_DAY / QUARTERS_PER_HOUR for q in noon]
    ahead: Ints = np.round(np.mod(np.array(hours) + 12, 24) - 12).astype(np.int64) * QUARTERS_PER_HOUR
    return ahead


def realigned(history: LoadHistory, moves: ClockMoves, day_start_quarter: int) -> LoadHistory:
    """The history with the quarters before a move brought to the clock of today."""
    rows = np.flatnonzero(moves.moved)
    if not len(rows):
        return history
    load_w = history.load_w.copy()
    flat = load_w.reshape(-1, history.window.count)
    for row in rows:
        start = int(moves.since[row]) * QUARTERS_PER_DAY + day_start_quarter
        count = int(np.clip(start - history.window.first, 0, history.window.count))
        flat[row, :count] = _later(flat[row, :count], int(moves.moved[row]))
    return LoadHistory(window=history.window, load_w=load_w)


def _later(values: Floats32, quarters: int) -> Floats32:
    """The values so many quarters later; what falls open is unknown."""
    out = np.full_like(values, np.nan)
    if abs(quarters) >= len(values):
        return out
    if quarters > 0:
        out[quarters:] = values[:-quarters]
    else:
        out[:quarters] = values[-quarters:]
    return out
