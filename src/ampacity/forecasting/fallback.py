"""The worst credible load of the coming days: what capacity stays safe when nobody computes any more."""

import numpy as np

from ampacity.forecasting.prior import LIMIT_MEDIAN
from ampacity.forecasting.types import Floats, Floats32, ForecastSettings, Ints, LoadHistory
from ampacity.timegrid import QUARTERS_PER_HOUR, Window, local_calendar

WEEKS = 8
HOURS_OF_WEEK = 168
NEIGHBOUR_HOURS, NEIGHBOUR_DAYS = 1, 1
MARGIN_OF_RANGE = 0.15  # beyond the worst seen, as a share of the series' range
SERIES_AT_ONCE = 64  # worked on together: their eight weeks nearly fit the cache


def fallback_band(
    history: LoadHistory, settings: ForecastSettings, *, window: Window, limit_w: Floats | None = None
) -> tuple[Floats32, Floats32]:
    """Lowest and highest credible load per hour [W], two arrays (E, 3, hours).

    The worst of eight weeks at that hour of the week, the hours beside it and the days beside it, and 15 % of the
    series' range beyond.  A phase without history spans its limit; a phase without either is NaN.

    Args:
        window: whole hours: its count is a multiple of four.
    """
    first = max(history.window.first, history.window.end - WEEKS * HOURS_OF_WEEK * QUARTERS_PER_HOUR)
    first += -first % QUARTERS_PER_HOUR
    hours = max(0, history.window.end - first) // QUARTERS_PER_HOUR
    load_w = history.load_w[:, :, first - history.window.first :][:, :, : hours * QUARTERS_PER_HOUR]
    quarters_w = load_w.reshape(-1, hours, QUARTERS_PER_HOUR)
    seen = _hour_of_week(Window(first, hours * QUARTERS_PER_HOUR), settings)
    wanted = _hour_of_week(window, settings)
    lowest, highest = np.empty((2, len(quarters_w), len(wanted)), np.float32)
    for start in range(0, len(quarters_w), SERIES_AT_ONCE):
        some = slice(start, start + SERIES_AT_ONCE)
        low, high = _hourly_extremes(quarters_w[some])
        extra = MARGIN_OF_RANGE * (high.max(axis=1, initial=-np.inf) - low.min(axis=1, initial=np.inf))[:, None]
        lowest[some] = -_worst(-low, seen)[:, wanted] - extra
        highest[some] = _worst(high, seen)[:, wanted] + extra
    empty = ~np.isfinite(highest)
    span = np.nan if limit_w is None else np.where(limit_w > 0, limit_w, np.nan).reshape(-1, 1)
    highest, lowest = np.where(empty, (1 + LIMIT_MEDIAN) * span, highest), np.where(empty, -span, lowest)
    shape = (*history.load_w.shape[:2], len(wanted))
    return lowest.astype(np.float32).reshape(shape), highest.astype(np.float32).reshape(shape)


def _hourly_extremes(quarters_w: Floats32) -> tuple[Floats32, Floats32]:
    """Lowest and highest of each hour; an unknown hour is +inf and -inf."""
    one, two, three, four = np.moveaxis(quarters_w, 2, 0)
    low, high = np.fmin(np.fmin(one, two), np.fmin(three, four)), np.fmax(np.fmax(one, two), np.fmax(three, four))
    unknown = np.isnan(low)
    low[unknown], high[unknown] = np.inf, -np.inf
    return low, high


def _hour_of_week(window: Window, settings: ForecastSettings) -> Ints:
    calendar = local_calendar(Window(window.first, window.count), settings.zone)
    found: Ints = (calendar.weekday * 24 + calendar.hour.astype(np.int64))[::QUARTERS_PER_HOUR]
    return found


def _worst(high: Floats32, hour_of_week: Ints) -> Floats32:
    """Highest per hour of the week (S, 168), looking at the neighbouring hours and days too; unseen hours: of all."""
    table = np.full((len(high), HOURS_OF_WEEK), -np.inf, np.float32)
    order = np.argsort(hour_of_week, kind="stable")
    hours, starts = np.unique(hour_of_week[order], return_index=True)
    if hours.size:
        table[:, hours] = np.maximum.reduceat(high[:, order], starts, axis=1)
    wide = _with_neighbours(_with_neighbours(table, 1, NEIGHBOUR_HOURS), 24, NEIGHBOUR_DAYS)
    overall = high.max(axis=1, initial=-np.inf)[:, None]
    found: Floats32 = np.where(np.isfinite(wide), wide, overall)
    return found


def _with_neighbours(table: Floats32, step: int, reach: int) -> Floats32:
    """Highest of each hour of the week and those up to so many steps away on either side."""
    found: Floats32 = np.maximum.reduce([np.roll(table, step * k, axis=1) for k in range(-reach, reach + 1)])
    return found
