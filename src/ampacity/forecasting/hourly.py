"""A regression per hour of the day on how yesterday and last week departed from the mean.

Per series and hour 28 columns: 20 of weather and calendar that the series share, 8 of its own past.
The shared part of the Gram matrix is computed once, the own part per series; hours beside lend half weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting.correction import smooth_hours
from ampacity.forecasting.design import smoothed
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.panel import Panel, Shared
from ampacity.forecasting.robust import clipped
from ampacity.forecasting.smoothing import DELAYS
from ampacity.forecasting.types import Floats, Floats32
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

HOURS = 24
RIDGE = 0.1
PASSES = 2
OWN, SHARED = 8, 20
LOOK_BACK = 8  # days before a target that its columns reach, without delay
TARGET_DAYS = 120  # newest days of the training used: the weight of older ones is below a quarter


@dataclass(frozen=True, kw_only=True)
class HourlyRows:
    """Rows of some target days by hour: R = days * 4 rows an hour."""

    shared: Floats32  # (24, R, 20)
    own: Floats32  # (S, 24, R, 8)
    low: Floats32  # (S, 8) least and greatest of each own column
    high: Floats32
    mean: Floats32  # (S, days) of the seven known days before: what the target is taken from


def hourly_rows(panel: Panel, first_day: int, end_day: int, delay: int) -> HourlyRows:
    """Columns of the days [first_day, end_day) from what was known `delay` days before them."""
    columns, mean = _own_columns(panel, np.arange(first_day, end_day) - panel.first_day, delay)
    own = np.empty((len(mean), HOURS, (end_day - first_day) * QUARTERS_PER_HOUR, OWN), np.float32)
    for i, column in enumerate(columns):
        own[..., i] = by_hour(np.broadcast_to(column, (*mean.shape, QUARTERS_PER_DAY)))
    return HourlyRows(
        shared=_shared_columns(panel.shared, first_day, end_day),
        own=own,
        low=np.stack([column.min(axis=(1, 2)) for column in columns], axis=1),
        high=np.stack([column.max(axis=(1, 2)) for column in columns], axis=1),
        mean=mean,
    )


def by_hour(values: NDArray[Any]) -> NDArray[Any]:
    """(S, days, 96) as (S, 24, days * 4)."""
    split = values.reshape(*values.shape[:2], HOURS, QUARTERS_PER_HOUR)
    return split.transpose(0, 2, 1, 3).reshape(len(values), HOURS, -1)


def by_day(values: Floats32) -> Floats32:
    """(S, 24, days * 4) as (S, days, 96)."""
    split = values.reshape(len(values), HOURS, -1, QUARTERS_PER_HOUR)
    found: Floats32 = split.transpose(0, 2, 1, 3).reshape(len(values), -1, QUARTERS_PER_DAY)
    return found


def fit_hours(panel: Panel, first_day: int, end_day: int, delay: int) -> tuple[Floats32, Floats32, Floats32]:
    """Coefficients (S, 24, 28) and the range of each own column in training, (S, 8) twice."""
    begin = max(first_day + LOOK_BACK + delay, end_day - TARGET_DAYS)
    rows = hourly_rows(panel, begin, end_day, delay)
    at = slice(begin - panel.first_day, end_day - panel.first_day)
    target = by_hour(panel.y[:, at] - rows.mean[..., None])
    known = by_hour(panel.known[:, at])
    weight = 0.5 ** (np.arange(end_day - begin)[::-1] / panel.shared.half_life_days)
    w = np.repeat(weight, QUARTERS_PER_HOUR).astype(np.float32)
    inverse = _inverse(rows, w)
    coefficients = _solve(inverse, _products(rows, target, w))
    for _ in range(PASSES):
        fit = apply_hours(coefficients, rows)
        residual = target - fit
        residual[~known] = 0
        count = residual.shape[2]
        fit += clipped(residual.reshape(-1, count), every=3).reshape(fit.shape)
        coefficients = _solve(inverse, _products(rows, fit, w))
    return coefficients, rows.low, rows.high


def apply_hours(coefficients: Floats32, rows: HourlyRows) -> Floats32:
    """Departure from the mean, (S, 24, R)."""
    shared = rows.shared.shape[2]
    out = np.matmul(coefficients[:, :, None, :shared], rows.shared.transpose(0, 2, 1))[:, :, 0]
    own = np.matmul(rows.own, coefficients[:, :, shared:, None])[..., 0]
    found: Floats32 = out + own
    return found


@dataclass(frozen=True, kw_only=True)
class Hourly:
    """The hourly regressions as an expert, for today and tomorrow."""

    name: str = "hourly"
    delays: int = 1
    weight: float = 1.0

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        series: dict[str, Floats32] = {}
        for delay in range(self.delays):
            found = fit_hours(panel, first_day, end_day, delay)
            series |= {f"{key}_{delay}": part for key, part in zip(("hours", "low", "high"), found, strict=True)}
        columns = _shared_columns(panel.shared, first_day + LOOK_BACK, end_day).reshape(-1, SHARED)
        return Fitted(series=series, shared={"low": columns.min(axis=0), "high": columns.max(axis=0)}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, first_day: int, end_day: int) -> Floats32:
        out = np.zeros((DELAYS, len(panel.y), end_day - first_day, QUARTERS_PER_DAY), np.float32)
        for delay in range(self.delays):
            rows = hourly_rows(panel, first_day, end_day, delay)
            low, high = (fitted.series[f"{side}_{delay}"][:, None, None] for side in ("low", "high"))
            rows = HourlyRows(
                shared=np.clip(rows.shared, fitted.shared["low"], fitted.shared["high"]),
                own=np.clip(rows.own, low, high),
                low=rows.low,
                high=rows.high,
                mean=rows.mean,
            )
            out[delay] = by_day(apply_hours(fitted.series[f"hours_{delay}"], rows)) + rows.mean[..., None]
        return out


def _own_columns(panel: Panel, target: np.ndarray, delay: int) -> tuple[list[Floats32], Floats32]:
    """Eight columns (S, days, 96), or (S, days, 1) where they hold all day, and the mean of the week before."""
    y = panel.y
    days = y.shape[1]
    smooth = smooth_hours(y)
    day_mean = y.mean(axis=2)
    total = np.concatenate([np.zeros((len(y), 1), np.float32), np.cumsum(day_mean, axis=1)], axis=1)
    last, before, week = target - 1 - delay, target - 2 - delay, np.maximum(target - 7, 0)
    last, before = np.clip(last, 0, days - 1), np.clip(before, 0, days - 1)
    lowest = np.maximum(last - 6, 0)
    mean = ((total[:, last + 1] - total[:, lowest]) / (last + 1 - lowest)).astype(np.float32)
    level = mean[..., None]
    q = QUARTERS_PER_HOUR
    end_3h = y[:, :, -3 * q :].mean(axis=2)
    daily = (day_mean[:, last] - mean, y[:, last, -q:].mean(axis=2) - mean, end_3h[:, last] - end_3h[:, before])
    columns = [y[:, last] - level, smooth[:, last] - level, y[:, week] - level, smooth[:, week] - level]
    columns += [smooth[:, before] - level, *(v[..., None] for v in daily)]
    return columns, mean


def _shared_columns(shared: Shared, first_day: int, end_day: int) -> Floats32:
    def make() -> Floats32:
        columns = np.stack(list(_weather_and_calendar(shared)), axis=1).astype(np.float32)
        split = columns.reshape(-1, HOURS, QUARTERS_PER_HOUR, columns.shape[1])
        return np.ascontiguousarray(split.transpose(1, 0, 2, 3).reshape(HOURS, -1, columns.shape[1]))

    found: Floats32 = shared.remembered("hourly", make)  # type: ignore[assignment]  # keyed
    at = slice((first_day - shared.first_day) * QUARTERS_PER_HOUR, (end_day - shared.first_day) * QUARTERS_PER_HOUR)
    return found[:, at]


def _weather_and_calendar(shared: Shared) -> Iterator[Floats]:
    temperature, radiation, wind = shared.design.weather.astype(float)
    temperature, radiation = temperature / 10, radiation / 1000
    inert = smoothed(temperature, float(QUARTERS_PER_DAY))
    power = np.clip((wind / 12) ** 3, 0, 1.2)
    weekday = shared.design.weekday
    free = (weekday >= 5).astype(float)
    yield np.ones_like(temperature)
    for values, lags in (
        (temperature, (1, 7)),
        (inert, (7,)),
        (radiation, (1, 7)),
        (wind / 10, (1, 7)),
        (power, (1, 7)),
    ):
        for lag in lags:
            yield values - _days_ago(values, lag)
    yield from (temperature, radiation, power)
    yield from ((weekday == day).astype(float) for day in (0, 1, 4, 5, 6))
    yield from (_days_ago(free, 1), _days_ago(free, 7))


def _days_ago(values: Floats, days: int) -> Floats:
    lag = days * QUARTERS_PER_DAY
    if lag >= len(values):
        return np.full_like(values, values[0])
    return np.concatenate([np.full(lag, values[0]), values[:-lag]])


def _inverse(rows: HourlyRows, w: Floats32) -> Floats:
    """Inverse of the pooled, normalised and penalised Gram matrix, in the columns' own units, (S, 24, 28, 28)."""
    shared, own = rows.shared, rows.own
    n = shared.shape[2]
    gram = np.empty((len(own), HOURS, n + OWN, n + OWN))
    weighted = shared * w[None, :, None]
    gram[:, :, :n, :n] = (shared.transpose(0, 2, 1) @ weighted)[None]
    transposed = own.transpose(0, 1, 3, 2)
    cross = np.matmul(transposed, weighted[None])
    gram[:, :, n:, :n] = cross
    gram[:, :, :n, n:] = cross.transpose(0, 1, 3, 2)
    gram[:, :, n:, n:] = np.matmul(transposed, own * w[:, None])
    gram = pooled(gram)
    scale = np.sqrt(np.maximum(np.diagonal(gram, axis1=2, axis2=3), 1e-4 * w.sum()))
    outer = scale[..., :, None] * scale[..., None, :]
    gram /= outer
    gram += RIDGE * np.eye(n + OWN)
    found: Floats = np.linalg.inv(gram.astype(np.float32)) / outer
    return found


def _products(rows: HourlyRows, target: Floats32, w: Floats32) -> Floats:
    weighted = target * w
    shared = np.matmul(weighted[:, :, None, :], rows.shared[None])[:, :, 0]
    own = np.matmul(rows.own.transpose(0, 1, 3, 2), weighted[..., None])[..., 0]
    return pooled(np.concatenate([shared, own], axis=2).astype(np.float64))


def pooled(by_hour_sums: Floats) -> Floats:
    """Each hour's sums and half of those of the hours beside it."""
    return by_hour_sums + (np.roll(by_hour_sums, 1, axis=1) + np.roll(by_hour_sums, -1, axis=1)) / 2


def _solve(inverse: Floats, products: Floats) -> Floats32:
    found: Floats32 = np.matmul(inverse, products[..., None])[..., 0].astype(np.float32)
    return found
