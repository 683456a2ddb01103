"""What the newest hours before the origin say about the coming day.

Per series a small ridge regression of the base's errors `u` on the errors of the last known day:
scalars of its last hours, fading with the lead, and its shape (yesterday's, last week's) smoothed.
The products are taken per day and per lead curve, never as a table of all columns.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ampacity.forecasting.robust import clipped
from ampacity.forecasting.types import Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

RIDGE = 0.03
FIRST_DAY = 14  # the recursion has settled by then

_LEAD_H = (np.arange(QUARTERS_PER_DAY) + 1.0) / QUARTERS_PER_HOUR
_FADES = np.stack([np.exp(-_LEAD_H / tau) for tau in (1.0, 3.0, 8.0, 24.0)] + [np.ones(QUARTERS_PER_DAY)])
CURVES: Floats32 = _FADES.astype(np.float32)  # (5, 96)

# (which scalar of the last known day, which curve): last, mean of 3 h, of 6 h, of the day
PRODUCTS: dict[int, tuple[tuple[int, int], ...]] = {
    0: ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 3), (3, 4)),
    1: ((1, 2), (2, 3), (3, 4)),
}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Per target day: the products' scalars (S, D, m) and the two shapes (S, D, 96)."""

    scalars: Floats32
    yesterday: Floats32
    last_week: Floats32
    curves: Floats32  # (m, 96)


def smooth_hours(values: Floats32, reach: int = QUARTERS_PER_HOUR) -> Floats32:
    """Centred mean over ± `reach` quarters inside the day, along the last axis.

    >>> smooth_hours(np.array([0.0, 3.0, 0.0, 0.0], np.float32), reach=1)
    array([1.5, 1. , 1. , 0. ], dtype=float32)
    """
    count = values.shape[-1]
    found: Floats32 = (values.reshape(-1, count) @ _band(count, reach)).reshape(values.shape)
    return found


@cache
def _band(count: int, reach: int) -> Floats32:
    """The weight of each quarter (rows) in the mean around each (columns)."""
    at = np.arange(count)
    near = (np.abs(at[:, None] - at) <= reach).astype(np.float32)
    found: Floats32 = near / near.sum(axis=0)
    return found


@cache
def _last_hours() -> Floats32:
    """The weight of each quarter (96, 4) in the last value, the means of the last 3 h, of 6 h, of the day."""
    spans = (1, 3 * QUARTERS_PER_HOUR, 6 * QUARTERS_PER_HOUR, QUARTERS_PER_DAY)
    at = np.arange(QUARTERS_PER_DAY)[:, None]
    found: Floats32 = np.where(at >= QUARTERS_PER_DAY - np.array(spans), 1 / np.array(spans), 0).astype(np.float32)
    return found


def correction_inputs(u: Floats32, target: Ints, delay: Ints, smooth: Floats32 | None = None) -> Inputs:
    """Inputs for target days from errors `u` (S, D, 96); errors of days before the first are 0.

    Args:
        target: indices of the days, (n,).
        delay: of each, (n,); all 0, or none.
        smooth: `u` smoothed, where it is at hand.
    """
    last, week = target - 1 - delay, target - 7
    known = _rows(u, last)
    products = PRODUCTS[int(delay.any())]
    return Inputs(
        scalars=(known @ _last_hours())[..., [s for s, _ in products]],
        yesterday=smooth_hours(known) if smooth is None else _rows(smooth, last),
        last_week=smooth_hours(_rows(u, week)) if smooth is None else _rows(smooth, week),
        curves=CURVES[[c for _, c in products]],
    )


def fit_correction(inputs: Inputs, u: Floats32) -> Floats32:
    """Coefficients (S, m + 2): ridge of .03 of the mean diagonal, one Huber pass."""
    gram = _gram(inputs)
    count = gram.shape[1]
    ridge = RIDGE * np.trace(gram, axis1=1, axis2=2) / count + 1e-9
    gram += ridge[:, None, None] * np.eye(count)
    inverse = np.linalg.inv(gram)
    coefficients = _times(inverse, _products(inputs, u))
    fit = apply_correction(coefficients, inputs)
    residual = clipped((u - fit).reshape(len(u), -1)).reshape(u.shape)
    return _times(inverse, _products(inputs, fit + residual))


def apply_correction(coefficients: Floats32, inputs: Inputs) -> Floats32:
    """The correction of each target day, (S, D, 96)."""
    m = inputs.scalars.shape[-1]
    per_curve = inputs.scalars * coefficients[:, None, :m]
    out: Floats32 = np.matmul(per_curve, inputs.curves)
    out += coefficients[:, m, None, None] * inputs.yesterday
    out += coefficients[:, m + 1, None, None] * inputs.last_week
    return out


def _rows(values: Floats32, at: Ints) -> Floats32:
    """Some days of (S, D, 96), zero before the first; a view where they follow one another."""
    if len(at) and at[0] >= 0 and (np.diff(at) == 1).all():
        return values[:, at[0] : at[-1] + 1]
    found: Floats32 = values[:, np.maximum(at, 0)]
    found[:, at < 0] = 0
    return found


def _gram(inputs: Inputs) -> np.ndarray:
    s = inputs.scalars.astype(np.float64)
    m = s.shape[-1]
    curves = (inputs.curves @ inputs.curves.T).astype(np.float64)
    gram = np.empty((len(s), m + 2, m + 2))
    gram[:, :m, :m] = (s.transpose(0, 2, 1) @ s) * curves
    for i, shape in enumerate((inputs.yesterday, inputs.last_week)):
        cross = ((shape @ inputs.curves.T) * inputs.scalars).sum(axis=1, dtype=np.float64)
        gram[:, :m, m + i] = gram[:, m + i, :m] = cross
    gram[:, m, m] = _dot(inputs.yesterday, inputs.yesterday)
    gram[:, m + 1, m + 1] = _dot(inputs.last_week, inputs.last_week)
    gram[:, m, m + 1] = gram[:, m + 1, m] = _dot(inputs.yesterday, inputs.last_week)
    return gram


def _products(inputs: Inputs, u: Floats32) -> np.ndarray:
    structured = ((u @ inputs.curves.T) * inputs.scalars).sum(axis=1, dtype=np.float64)
    shapes = np.stack([_dot(inputs.yesterday, u), _dot(inputs.last_week, u)], axis=1)
    return np.concatenate([structured, shapes], axis=1)


def _dot(a: Floats32, b: Floats32) -> np.ndarray:
    """Sum over all days of the products, (S,)."""
    found: np.ndarray = np.vecdot(a, b).sum(axis=1, dtype=np.float64)
    return found


def _times(inverse: np.ndarray, products: np.ndarray) -> Floats32:
    found: Floats32 = np.matmul(inverse, products[..., None])[..., 0].astype(np.float32)
    return found
