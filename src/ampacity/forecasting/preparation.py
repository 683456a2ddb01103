"""Load as whole days, cleaned, levelled and scaled: ready for the experts."""

import numpy as np

from ampacity.forecasting.faults import level_shift
from ampacity.forecasting.panel import Panel, Shared, days_window, fill_holes
from ampacity.forecasting.types import (
    Bools,
    Floats32,
    ForecastSettings,
    Ints,
    LoadHistory,
)
from ampacity.timegrid import QUARTERS_PER_DAY


def levelled(y_w: Floats32) -> Floats32:
    """Days before a lasting jump moved to the level after it: the shape stays, the old level is forgotten."""
    known = np.isfinite(y_w)
    count = known.sum(axis=2)
    mean = np.where(count > QUARTERS_PER_DAY // 2, np.where(known, y_w, 0).sum(axis=2) / np.maximum(count, 1), np.nan)
    day, size = level_shift(mean)
    if not day.any():
        return y_w
    before = np.arange(y_w.shape[1])[None] < day[:, None]
    found: Floats32 = y_w + (before * size[:, None]).astype(np.float32)[..., None]
    return found


def robust_scale(raw: Floats32) -> Floats32:
    """A size of each series' variation [W], never 0, (S,)."""
    recent = raw[:, -28:].reshape(len(raw), -1)
    low, high = np.nanpercentile(recent, [2, 98], axis=1) if len(raw) else (np.zeros(0), np.zeros(0))
    level = np.nanmean(np.abs(recent), axis=1) if len(raw) else np.zeros(0)
    scale = np.maximum(np.nan_to_num(high - low), 0.02 * np.nan_to_num(level))
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
