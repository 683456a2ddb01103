"""The worst credible load of the coming days: what capacity stays safe when nobody computes any more."""

import io
from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.prior import LIMIT_MEDIAN
from ampacity.forecasting.types import Floats, Floats32, ForecastSettings, Ints, LoadHistory
from ampacity.timegrid import QUARTERS_PER_HOUR, Window, local_calendar

WEEKS = 8
HOURS_OF_WEEK = 168
NEIGHBOUR_HOURS, NEIGHBOUR_DAYS = 1, 1
MARGIN_OF_RANGE = 0.15  # beyond the worst seen, as a share of the series' range
SERIES_AT_ONCE = 64  # worked on together: their eight weeks nearly fit the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyExtremes:
    """Lowest and highest load seen in each hour of the week [W], two arrays (E, 3, 168); +inf and -inf: never seen."""

    lowest_w: Floats32
    highest_w: Floats32

    def widened(self, by: "WeeklyExtremes") -> "WeeklyExtremes":
        """Of what either has seen."""
        return WeeklyExtremes(
            lowest_w=np.minimum(self.lowest_w, by.lowest_w), highest_w=np.maximum(self.highest_w, by.highest_w)
        )


def weekly_extremes(history: LoadHistory, settings: ForecastSettings) -> WeeklyExtremes:
    """What eight weeks have seen at most, in whole hours."""
    first = max(history.window.first, history.window.end - WEEKS * HOURS_OF_WEEK * QUARTERS_PER_HOUR)
    first += -first % QUARTERS_PER_HOUR
    hours = max(0, history.window.end - first) // QUARTERS_PER_HOUR
    load_w = history.load_w[:, :, first - history.window.first :][:, :, : hours * QUARTERS_PER_HOUR]
    quarters_w = load_w.reshape(load_w.shape[0] * load_w.shape[1], hours, QUARTERS_PER_HOUR)
    seen = _hour_of_week(Window(first, hours * QUARTERS_PER_HOUR), settings)
    order = np.argsort(seen, kind="stable")
    hours_seen, starts = np.unique(seen[order], return_index=True)
    shape = (*load_w.shape[:2], HOURS_OF_WEEK)
    lowest, highest = np.full(shape, np.inf, np.float32), np.full(shape, -np.inf, np.float32)
    by_series = lowest.reshape(-1, HOURS_OF_WEEK), highest.reshape(-1, HOURS_OF_WEEK)
    for start in range(0, len(quarters_w) if hours else 0, SERIES_AT_ONCE):
        some = slice(start, start + SERIES_AT_ONCE)
        low, high = _hourly_extremes(quarters_w[some])
        by_series[0][some, hours_seen] = np.minimum.reduceat(low[:, order], starts, axis=1)
        by_series[1][some, hours_seen] = np.maximum.reduceat(high[:, order], starts, axis=1)
    return WeeklyExtremes(lowest_w=lowest, highest_w=highest)


def fallback_band(
    extremes: WeeklyExtremes, settings: ForecastSettings, *, window: Window, limit_w: Floats | None = None
) -> tuple[Floats32, Floats32]:
    """Lowest and highest credible load per hour [W], two arrays (E, 3, hours).

    The worst seen at that hour of the week, the hours beside it and the days beside it, and 15 % of the series' range
    beyond.  A phase of which nothing was seen spans its limit; a phase without either is NaN.

    Args:
        window: whole hours: its count is a multiple of four.
        limit_w: What a phase may carry [W], (E, 3).
    """
    low, high = extremes.lowest_w, extremes.highest_w
    wanted = _hour_of_week(window, settings)
    extra = MARGIN_OF_RANGE * (high.max(axis=2, keepdims=True) - low.min(axis=2, keepdims=True))
    lowest, highest = -_worst(-low)[..., wanted] - extra, _worst(high)[..., wanted] + extra
    empty = ~np.isfinite(highest)
    span = np.nan if limit_w is None else np.where(limit_w > 0, limit_w, np.nan)[..., None]
    highest, lowest = np.where(empty, (1 + LIMIT_MEDIAN) * span, highest), np.where(empty, -span, lowest)
    return lowest.astype(np.float32), highest.astype(np.float32)


def dump_extremes(extremes: WeeklyExtremes) -> bytes:
    """The extremes of a block as bytes."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, lowest_w=extremes.lowest_w, highest_w=extremes.highest_w)
    return out.getvalue()


def load_extremes(blob: bytes) -> WeeklyExtremes:
    """The extremes that `dump_extremes` wrote, to the bit."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        return WeeklyExtremes(lowest_w=stored["lowest_w"], highest_w=stored["highest_w"])


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


def _worst(table: Floats32) -> Floats32:
    """Highest per hour of the week (E, 3, 168), with the neighbouring hours and days; of all for hours not seen."""
    wide = _with_neighbours(_with_neighbours(table, 1, NEIGHBOUR_HOURS), 24, NEIGHBOUR_DAYS)
    found: Floats32 = np.where(np.isfinite(wide), wide, table.max(axis=-1, keepdims=True))
    return found


def _with_neighbours(table: Floats32, step: int, reach: int) -> Floats32:
    """Highest of each hour of the week and those up to so many steps away on either side."""
    found: Floats32 = np.maximum.reduce([np.roll(table, step * k, axis=-1) for k in range(-reach, reach + 1)])
    return found
