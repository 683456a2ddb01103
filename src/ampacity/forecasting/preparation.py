"""Load as whole days, cleaned, levelled and scaled: ready for the experts."""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.clock import ClockMoves, clock_moves, realigned
from ampacity.forecasting.faults import TOGETHER, level_shift, without_faults
from ampacity.forecasting.panel import Panel, Shared, days_window, fill_holes
from ampacity.forecasting.robust import row_quantiles
from ampacity.forecasting.types import (
    Bools,
    Floats,
    Floats32,
    ForecastSettings,
    Ints,
    LoadHistory,
)
from ampacity.forecasting.workers import on_threads
from ampacity.timegrid import QUARTERS_PER_DAY


def daily_mean(y_w: Floats32) -> Floats:
    """Mean of each day of which more than half is known, else NaN, (S, D)."""
    known = np.isfinite(y_w)
    count = known.sum(axis=2)
    total = np.where(known, y_w, 0).sum(axis=2)
    return np.where(count > QUARTERS_PER_DAY // 2, total / np.maximum(count, 1), np.nan)


def move_to_newest_level(y_w: Floats32, mean_w: Floats) -> None:
    """Days before a lasting jump are moved to the level after it: the shape stays, the old level is forgotten.

    Args:
        y_w: (S, D, 96), changed in place.
        mean_w: its daily means, (S, D).
    """
    day, size_w = level_shift(mean_w)
    for row in np.flatnonzero(day):
        y_w[row, : day[row]] += np.float32(size_w[row])


def at_newest_level(y_w: Floats32, known_days: int) -> Floats32:
    """The newest days of series, those before a lasting jump moved, as a fit sees them; (S, D, 96), in place.

    Args:
        known_days: how many of the days are over.
    """
    past_w = y_w[:, :known_days]
    move_to_newest_level(past_w, daily_mean(past_w))
    return y_w


def robust_scale(raw: Floats32) -> Floats32:
    """A size of each series' variation [W], never 0, (S,)."""
    recent = raw[:, -28:].reshape(len(raw), -1)
    low, high = row_quantiles(recent, (0.02, 0.98))
    known = np.isfinite(recent)
    level = np.where(known, np.abs(recent), 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    scale = np.maximum(np.nan_to_num(high - low), 0.02 * level)
    found: Floats32 = np.where(scale > 1e-3, scale, 1.0).astype(np.float32)
    return found


def make_panel(scaled: Floats32, shared: Shared) -> Panel:
    """Days of scaled load with holes filled and marked."""
    known: Bools = np.isfinite(scaled)
    return Panel(shared=shared, y=np.ascontiguousarray(fill_holes(scaled.astype(np.float32), known)), known=known)


def days_of(history: LoadHistory, first: int, end: int, settings: ForecastSettings) -> Floats32:
    """The load as (E * 3, days, 96)."""
    at = days_window(first, end, settings.day_start_quarter)
    part = history.load_w[:, :, at.first - history.window.first : at.end - history.window.first]
    return part.reshape(len(part) * 3, end - first, QUARTERS_PER_DAY)


def start_day(y_w: Floats32, first: int) -> Ints:
    """The first day with a measurement, per series."""
    has = np.isfinite(y_w).any(axis=2)
    found: Ints = first + np.argmax(has, axis=1) if has.shape[1] else np.full(len(y_w), first)
    return found


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Clean, levelled loads of a block's series by day."""

    y_w: Floats32  # (E * 3, days, 96)
    clock: ClockMoves
    days: Floats  # (E * 3,) days' worth of measurements
    start: Ints  # (E * 3,) the first day with one
    newest: LoadHistory  # its newest part, without faults, on the clock it had


def prepare(
    history: LoadHistory, span: tuple[int, int], settings: ForecastSettings, *, newest_from: int, workers: int
) -> Prepared:
    """Whole days of a block without its faults, on the clock and the level of today.

    Args:
        span: first day and end.
        newest_from: the quarter from which the newest part is kept as it was measured.
    """
    first, end = span
    elements = len(history.load_w)
    y_w = np.empty((elements * 3, end - first, QUARTERS_PER_DAY), np.float32)
    mean_w = np.empty(y_w.shape[:2])
    newest = history.since(newest_from)
    newest_w = np.empty_like(newest.load_w)

    def some(at: int) -> ClockMoves:
        part, series = slice(at, at + TOGETHER), slice(3 * at, 3 * (at + TOGETHER))
        clean = without_faults(LoadHistory(window=history.window, load_w=history.load_w[part]))
        newest_w[part] = clean.since(newest_from).load_w
        moves = clock_moves(days_of(clean, first, end, settings), first, settings)
        y_w[series] = days_of(realigned(clean, moves, settings.day_start_quarter), first, end, settings)
        mean_w[series] = daily_mean(y_w[series])
        return moves

    found = on_threads(some, range(0, elements, TOGETHER), workers)
    move_to_newest_level(y_w, mean_w)
    none = ClockMoves.none(0)
    return Prepared(
        y_w=y_w,
        clock=ClockMoves(
            moved=np.concatenate([none.moved, *(part.moved for part in found)]),
            since=np.concatenate([none.since, *(part.since for part in found)]),
        ),
        days=np.isfinite(y_w).mean(axis=2).sum(axis=1) if end > first else np.zeros(len(y_w)),
        start=start_day(y_w, first),
        newest=LoadHistory(window=newest.window, load_w=newest_w),
    )
