"""The worst credible load of the coming days: what capacity stays safe when nobody computes any more."""

import numpy as np

from ampacity.forecasting.prior import LIMIT_MEDIAN
from ampacity.forecasting.types import Floats, Floats32, ForecastSettings, Ints, LoadHistory
from ampacity.timegrid import QUARTERS_PER_HOUR, Window, local_calendar

WEEKS = 8
HOURS_OF_WEEK = 168
NEIGHBOUR_HOURS, NEIGHBOUR_DAYS = 1, 1
MARGIN_OF_RANGE = 0.15  # beyond the worst seen, as a share of the series' range


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
    low, high = _hourly_extremes(load_w.reshape(-1, hours, QUARTERS_PER_HOUR))
    seen = _hour_of_week(Window(first, hours * QUARTERS_PER_HOUR), settings)
    wanted = _hour_of_week(window, settings)
    extra = MARGIN_OF_RANGE * (high.max(axis=1, initial=-np.inf) - low.min(axis=1, initial=np.inf))[:, None]
    lowest, highest = -_worst(-low, seen)[:, wanted] - extra, _worst(high, seen)[:, wanted] + extra
    shape = (*history.load_w.shape[:2], len(wanted))
    empty = ~np.isfinite(highest)
    span = np.nan if limit_w is None else np.where(limit_w > 0, limit_w, np.nan).reshape(-1, 1)
    highest, lowest = np.where(empty, (1 + LIMIT_MEDIAN) * span, highest), np.where(empty, -span, lowest)
    return lowest.astype(np.float32).reshape(shape), highest.astype(np.float32).reshape(shape)


def _hourly_extremes(quarters_w: Floats32) -> tuple[Floats32, Floats32]:
    """Lowest and highest of each hour; an unknown hour is +inf and -inf."""
    known = np.isfinite(quarters_w)
    return np.where(known, quarters_w, np.inf).min(axis=2), np.where(known, quarters_w, -np.inf).max(axis=2)


def _hour_of_week(window: Window, settings: ForecastSettings) -> Ints:
    calendar = local_calendar(Window(window.first, window.count), settings.zone)
    found: Ints = (calendar.weekday * 24 + calendar.hour.astype(np.int64))[::QUARTERS_PER_HOUR]
    return found


def _worst(high: Floats32, hour_of_week: Ints) -> Floats32:
    """Highest per hour of the week (S, 168), looking at the neighbouring hours and days too; unseen hours: of all."""
    table = np.full((len(high), HOURS_OF_WEEK), -np.inf, np.float32)
    for hour in np.unique(hour_of_week):
        table[:, hour] = high[:, hour_of_week == hour].max(axis=1)
    steps = [24 * d + h for d in range(-NEIGHBOUR_DAYS, NEIGHBOUR_DAYS + 1) for h in range(-1, NEIGHBOUR_HOURS + 1)]
    wide = np.stack([np.roll(table, step, axis=1) for step in steps]).max(axis=0)
    overall = high.max(axis=1, initial=-np.inf)[:, None]
    found: Floats32 = np.where(np.isfinite(wide), wide, overall)
    return found
