"""How good forecasts were: plain functions of what was said and what came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.calibration import UPPER, factors, learn_errors, new_calibration, spread
from ampacity.forecasting.types import Bools, Floats, Floats32, Ints

Score = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Forecasts of S series for N steps and what came, all in W; a step is a quarter or an hour of a day."""

    levels: tuple[float, ...]
    load_w: Floats32  # (Q, S, N)
    came_w: Floats32  # (S, N), NaN unknown
    lead: Ints  # (N,) quarters from the origin to the end of the step
    day: Ints  # (N,)

    def at(self, level: float) -> Floats32:
        found: Floats32 = self.load_w[int(np.argmin(np.abs(np.array(self.levels) - level)))]
        return found

    def in_steps(self, quarters: int) -> "Said":
        """Means over steps of so many quarters, for loads that were measured no finer."""
        if quarters == 1:
            return self
        return Said(
            levels=self.levels,
            load_w=self.load_w.reshape(*self.load_w.shape[:-1], -1, quarters).mean(axis=-1),
            came_w=self.came_w.reshape(len(self.came_w), -1, quarters).mean(axis=-1),
            lead=self.lead.reshape(-1, quarters)[:, -1],
            day=self.day.reshape(-1, quarters)[:, 0],
        )


def pinball_loss(quantile_w: Floats, came_w: Floats, level: float) -> Floats:
    """Loss of a quantile forecast, (S,): max(q (y - f), (q - 1) (y - f)), mean over the known steps."""
    error = came_w - quantile_w
    return known_mean(np.maximum(level * error, (level - 1) * error))


def known_mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1, dtype=np.float64)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def value_range_w(load_w: Floats) -> Floats:
    """P99 - P1 of each series [W], (S,): what errors are related to."""
    low, high = np.nanquantile(load_w, [0.01, 0.99], axis=-1)
    found: Floats = high - low
    return found


def score(said: Said, risk: float, range_w: Floats) -> list[Score]:
    """All figures of each series.

    Exceedance of a level is the share of steps above it (below it for levels under one half).
    """
    median, upper = said.at(0.5), said.at(1 - risk)
    error = median - said.came_w
    absolute = np.abs(error)
    above = exceeded(said.came_w, upper, 1 - risk)
    peak = _peak_hour_mae(absolute, said)
    figures: dict[str, Floats] = {
        "mae_w": known_mean(absolute),
        "rmae": known_mean(absolute) / np.maximum(range_w, 1e-9),
        "rmse_w": np.sqrt(known_mean(error**2)),
        "bias_w": known_mean(error),
        "peak_hour_mae_w": peak,
        "days_with_exceedance": _share_of_days(above, said.day),
        "mean_margin_w": known_mean(np.where(np.isfinite(said.came_w), upper - median, np.nan)),
    }
    by_level = {
        level: (
            pinball_loss(said.at(level), said.came_w, level),
            known_mean(exceeded(said.came_w, said.at(level), level)),
        )
        for level in said.levels
    }
    leads = by_lead(said, absolute, above, upper - median)
    return [
        {
            "n": int(np.isfinite(said.came_w[s]).sum()),
            **{name: _number(column[s]) for name, column in figures.items()},
            "pinball": {f"{level:g}": _number(pair[0][s]) for level, pair in by_level.items()},
            "exceedance": {f"{level:g}": _number(pair[1][s]) for level, pair in by_level.items()},
            "by_lead_hour": leads[s],
        }
        for s in range(len(said.came_w))
    ]


def by_lead(said: Said, absolute: Floats, above: Floats, margin: Floats) -> list[list[Score]]:
    """Error, exceedance and margin by hour of lead, a list per series."""
    hour = (said.lead - 1) // 4 + 1
    rows: list[list[Score]] = [[] for _ in said.came_w]
    for h in np.unique(hour):
        inside = hour == h
        columns = {
            "mae_w": known_mean(absolute[:, inside]),
            "exceedance": known_mean(above[:, inside]),
            "mean_margin_w": known_mean(margin[:, inside]),
        }
        for s, row in enumerate(rows):
            row.append({"lead_hour": int(h), **{name: _number(c[s]) for name, c in columns.items()}})
    return rows


def wrapped_upper(median_w: Floats32, came_w: Floats32, risk: float) -> Floats32:
    """The upper quantile that the same online conformal rule makes of any daily forecast.

    Args:
        median_w: (S, days, 96).
        came_w: (S, days, 96).

    Returns:
        (S, days, 96); the first days rest on the rule's start values.
    """
    series, days, _ = median_w.shape
    scale = np.maximum(np.nanmean(np.abs(came_w), axis=(1, 2)), 1e-3)[:, None]
    state = new_calibration(series)
    upper = np.empty_like(median_w)
    for d in range(days):
        margin = factors(state, risk, UPPER)[:, :1] * spread(state)[:, 0]
        upper[:, d] = median_w[:, d] + margin * scale
        error = (came_w[:, d] - median_w[:, d]) / scale
        known: Bools = np.isfinite(error)
        state = learn_errors(state, np.nan_to_num(error)[:, None], known[:, None], risk, slice(0, 1))
    return upper


def margin_at(said_w: Floats, upper_w: Floats, came_w: Floats, risk: float) -> Floats:
    """Mean margin [W] once scaled, per series, to be exceeded in exactly that share of steps, (S,)."""
    margin = np.maximum(upper_w - said_w, 1e-9)
    ratio = np.where(np.isfinite(came_w), (came_w - said_w) / margin, np.nan)
    found: Floats = np.nanquantile(ratio, 1 - risk, axis=-1) * known_mean(np.where(np.isfinite(came_w), margin, np.nan))
    return found


def naive_mae_w(load_w: Floats, first: int, count: int, lags: Sequence[int]) -> Floats:
    """MAE of the mean of the load at some lags [quarters] as a forecast of [first, first + count), (S,)."""
    past = np.mean([load_w[:, first - lag : first - lag + count] for lag in lags], axis=0)
    return known_mean(np.abs(past - load_w[:, first : first + count]))


def exceeded(came_w: Floats, quantile_w: Floats, level: float) -> Floats:
    """Where the load was above a quantile (below it for levels under one half): 1 or 0, NaN unknown."""
    hit = came_w > quantile_w if level >= 0.5 else came_w < quantile_w
    found: Floats = np.where(np.isfinite(came_w) & np.isfinite(quantile_w), hit, np.nan)
    return found


def _share_of_days(above: Floats, day: Ints) -> Floats:
    days = np.unique(day)
    hit = np.stack([np.nansum(above[:, day == d], axis=1) > 0 for d in days], axis=1)
    found: Floats = hit.mean(axis=1)
    return found


def _peak_hour_mae(absolute: Floats, said: Said) -> Floats:
    """MAE in the hour of each day with the highest load."""
    steps = max(1, round(len(said.day) / max(1, len(np.unique(said.day))) / 24))
    count = len(said.day) // steps * steps
    hourly = said.came_w[:, :count].reshape(len(said.came_w), -1, steps).mean(axis=2)
    error = absolute[:, :count].reshape(*hourly.shape, steps).mean(axis=2)
    day = said.day[:count].reshape(-1, steps)[:, 0]
    peaks = []
    for d in np.unique(day):
        inside = np.flatnonzero(day == d)
        at = inside[np.argmax(np.nan_to_num(hourly[:, inside], nan=-np.inf), axis=1)]
        peaks.append(error[np.arange(len(error)), at])
    return known_mean(np.stack(peaks, axis=1))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
