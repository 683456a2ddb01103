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
from ampacity.forecasting.expert import Fitted, Targets
from ampacity.forecasting.panel import Panel, Shared
from ampacity.forecasting.robust import clipped
from ampacity.forecasting.types import Floats, Floats32, Ints
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
    own: Floats32  # (24, S, 8, R)
    low: Floats32  # (S, 8) least and greatest of each own column
    high: Floats32
    mean: Floats32  # (S, days) of the seven known days before: what the target is taken from


def hourly_rows(panel: Panel, days: Ints, delay: int) -> HourlyRows:
    """Columns of some days from what was known `delay` days before them."""
    columns, mean = _own_columns(panel, days - panel.first_day, delay)
    own = np.empty((HOURS, len(mean), OWN, len(days), QUARTERS_PER_HOUR), np.float32)
    for i, column in enumerate(columns):
        own[:, :, i] = _hours_first(np.broadcast_to(column, (*mean.shape, QUARTERS_PER_DAY)))
    return HourlyRows(
        shared=_shared_columns(panel.shared, days),
        own=own.reshape(*own.shape[:3], -1),
        low=np.stack([column.min(axis=(1, 2)) for column in columns], axis=1),
        high=np.stack([column.max(axis=(1, 2)) for column in columns], axis=1),
        mean=mean,
    )


def _hours_first(values: NDArray[Any]) -> NDArray[Any]:
    """(S, days, 96) as (24, S, days, 4)."""
    return values.reshape(*values.shape[:2], HOURS, QUARTERS_PER_HOUR).transpose(2, 0, 1, 3)


def by_hour(values: NDArray[Any]) -> NDArray[Any]:
    """(S, days, 96) as (24, S, days * 4)."""
    return _hours_first(values).reshape(HOURS, len(values), -1)


def by_day(values: Floats32) -> Floats32:
    """(24, S, days * 4) as (S, days, 96)."""
    split = values.reshape(HOURS, values.shape[1], -1, QUARTERS_PER_HOUR)
    found: Floats32 = split.transpose(1, 2, 0, 3).reshape(values.shape[1], -1, QUARTERS_PER_DAY)
    return found


def fit_hours(panel: Panel, first_day: int, end_day: int, delay: int) -> tuple[Floats32, Floats32, Floats32]:
    """Coefficients (S, 24, 28) and the range of each own column in training, (S, 8) twice."""
    begin = max(first_day + LOOK_BACK + delay, end_day - TARGET_DAYS)
    rows = hourly_rows(panel, np.arange(begin, end_day), delay)
    at = slice(begin - panel.first_day, end_day - panel.first_day)
    target = by_hour(panel.y[:, at] - rows.mean[..., None])
    known = by_hour(panel.known[:, at])
    hole = None if known.all() else ~known
    gram = _shared_gram(panel.shared, begin, end_day)
    solve = _factorised(gram, rows)
    coefficients = solve(*_products(rows, target, gram))
    for _ in range(PASSES):
        fit = apply_hours(coefficients, rows)
        residual = target - fit
        if hole is not None:
            residual[hole] = 0
        fit += clipped(residual.reshape(-1, residual.shape[2]), every=3).reshape(fit.shape)
        coefficients = solve(*_products(rows, fit, gram))
    return np.ascontiguousarray(coefficients.transpose(1, 0, 2)), rows.low, rows.high


def apply_hours(coefficients: Floats32, rows: HourlyRows) -> Floats32:
    """Departure from the mean, (24, S, R), by coefficients (24, S, 28)."""
    found: Floats32 = np.matmul(coefficients[..., :SHARED], rows.shared.transpose(0, 2, 1))
    found += np.matmul(coefficients[:, :, None, SHARED:], rows.own)[:, :, 0]
    return found


@dataclass(frozen=True, kw_only=True)
class Hourly:
    """The hourly regressions as an expert, for today."""

    name: str = "hourly"
    delays: int = 1
    weight: float = 1.0

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        series: dict[str, Floats32] = {}
        for delay in range(self.delays):
            found = fit_hours(panel, first_day, end_day, delay)
            series |= {f"{key}_{delay}": part for key, part in zip(("hours", "low", "high"), found, strict=True)}
        low, high = _shared_range(panel.shared, first_day + LOOK_BACK, end_day)
        return Fitted(series=series, shared={"low": low, "high": high}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, targets: Targets) -> Floats32:
        out = np.zeros((len(panel.y), len(targets.day), QUARTERS_PER_DAY), np.float32)
        for delay in range(self.delays):
            asked = np.flatnonzero(targets.delay == delay)
            rows = hourly_rows(panel, targets.day[asked], delay)
            low, high = (fitted.series[f"{side}_{delay}"][..., None] for side in ("low", "high"))
            rows = HourlyRows(
                shared=np.clip(rows.shared, fitted.shared["low"], fitted.shared["high"]),
                own=np.clip(rows.own, low, high, out=rows.own),
                low=rows.low,
                high=rows.high,
                mean=rows.mean,
            )
            hours = fitted.series[f"hours_{delay}"].transpose(1, 0, 2)
            out[:, asked] = by_day(apply_hours(hours, rows)) + rows.mean[..., None]
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


def _all_shared_columns(shared: Shared) -> Floats32:
    """(24, days, 4, 20)."""

    def make() -> Floats32:
        columns = np.stack(list(_weather_and_calendar(shared)), axis=1).astype(np.float32)
        split = columns.reshape(-1, HOURS, QUARTERS_PER_HOUR, columns.shape[1])
        return np.ascontiguousarray(split.transpose(1, 0, 2, 3))

    found: Floats32 = shared.remembered("hourly", make)  # type: ignore[assignment]  # keyed
    return found


def _shared_columns(shared: Shared, days: Ints) -> Floats32:
    found: Floats32 = _all_shared_columns(shared)[:, days - shared.first_day].reshape(HOURS, -1, SHARED)
    return found


def _shared_range(shared: Shared, first_day: int, end_day: int) -> tuple[Floats32, Floats32]:
    def make() -> tuple[Floats32, Floats32]:
        columns = _all_shared_columns(shared)[:, first_day - shared.first_day : end_day - shared.first_day]
        return columns.min(axis=(0, 1, 2)), columns.max(axis=(0, 1, 2))

    found: tuple[Floats32, Floats32] = shared.remembered(("hourly range", first_day, end_day), make)  # type: ignore[assignment]  # keyed
    return found


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


@dataclass(frozen=True, kw_only=True)
class _Gram:
    """What the series share of the regressions of some days: weights, weighted columns, pooled inverse."""

    w: Floats32  # (R,)
    weighted: Floats32  # (24, R, 20)
    inverse: Floats  # (24, 20, 20)
    floor: float


def _shared_gram(shared: Shared, first_day: int, end_day: int) -> _Gram:
    def make() -> _Gram:
        weight = 0.5 ** (np.arange(end_day - first_day)[::-1] / shared.half_life_days)
        w = np.repeat(weight, QUARTERS_PER_HOUR).astype(np.float32)
        columns = _shared_columns(shared, np.arange(first_day, end_day))
        weighted = columns * w[:, None]
        gram = pooled((columns.transpose(0, 2, 1) @ weighted).astype(np.float64))
        floor = 1e-4 * float(w.sum())
        return _Gram(w=w, weighted=weighted, inverse=np.linalg.inv(_penalised(gram, floor)), floor=floor)

    found: _Gram = shared.remembered(("hourly gram", first_day, end_day), make)  # type: ignore[assignment]  # keyed
    return found


def _penalised(gram: Floats, floor: float) -> Floats:
    """With RIDGE of its floored diagonal on the diagonal, (..., n, n)."""
    diagonal = np.maximum(np.diagonal(gram, axis1=-2, axis2=-1), floor)
    found: Floats = gram + RIDGE * diagonal[..., None] * np.eye(gram.shape[-1])
    return found


def _factorised(gram: _Gram, rows: HourlyRows) -> "_Solve":
    hours, series, _, count = rows.own.shape
    cross = np.matmul(rows.own.reshape(hours, series * OWN, count), gram.weighted)
    cross = pooled(cross.astype(np.float64))
    projected = np.matmul(cross, gram.inverse).reshape(hours, series, OWN, -1)
    cross = cross.reshape(projected.shape)
    own = pooled(np.matmul(rows.own * gram.w, rows.own.transpose(0, 1, 3, 2)).astype(np.float64))
    schur = _penalised(own, gram.floor) - np.matmul(projected, cross.transpose(0, 1, 3, 2))
    return _Solve(inverse=gram.inverse, projected=projected, schur=np.linalg.inv(schur))


@dataclass(frozen=True, kw_only=True)
class _Solve:
    """Solves [[G, C'], [C, O]] [b, c] = [p, q] per hour and series."""

    inverse: Floats  # (24, 20, 20) of G
    projected: Floats  # (24, S, 8, 20) C G⁻¹
    schur: Floats  # (24, S, 8, 8) of the inverse of (O - C G⁻¹ C')

    def __call__(self, shared: Floats, own: Floats) -> Floats32:
        rest = own - np.matmul(self.projected, shared[..., None])[..., 0]
        c = np.matmul(self.schur, rest[..., None])[..., 0]
        b = np.matmul(shared, self.inverse) - np.matmul(c[:, :, None], self.projected)[:, :, 0]
        return np.concatenate([b, c], axis=2).astype(np.float32)


def _products(rows: HourlyRows, target: Floats32, gram: _Gram) -> tuple[Floats, Floats]:
    shared = np.matmul(target, gram.weighted)
    own = np.matmul(rows.own, (target * gram.w)[..., None])[..., 0]
    return pooled(shared.astype(np.float64)), pooled(own.astype(np.float64))


def pooled(by_hour_sums: Floats) -> Floats:
    """Each hour's sums (24, ...) and half of those of the hours beside it."""
    found: Floats = np.empty_like(by_hour_sums)
    np.add(by_hour_sums[:-2], by_hour_sums[2:], out=found[1:-1])
    np.add(by_hour_sums[-1], by_hour_sums[1], out=found[0])
    np.add(by_hour_sums[-2], by_hour_sums[0], out=found[-1])
    found /= 2
    found += by_hour_sums
    return found
