"""What the newest hours before the origin say about the coming day.

Per series a small ridge regression of the base's errors `u` on the errors of the last known day:
scalars of its last hours, fading with the lead, and its shape (yesterday's, last week's) smoothed.
The products are taken per day and per lead curve, never as a table of all columns.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.robust import clipped
from ampacity.forecasting.types import Floats32
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
    """Centred mean over ± `reach` quarters inside the day, along the last axis."""
    count = values.shape[-1]
    total = np.zeros((*values.shape[:-1], count + 1), np.float32)
    np.cumsum(values, axis=-1, out=total[..., 1:])
    at = np.arange(count)
    high, low = np.minimum(at + reach + 1, count), np.maximum(at - reach, 0)
    found: Floats32 = ((total[..., high] - total[..., low]) / (high - low)).astype(np.float32)
    return found


def correction_inputs(u: Floats32, smooth: Floats32, days: slice, delay: int) -> Inputs:
    """Inputs for target days from errors `u` (S, D, 96) and their smoothed form; days before the first are 0."""
    target = np.arange(u.shape[1])[days]
    last, week = target - 1 - delay, target - 7
    known = _rows(u, last)
    q = QUARTERS_PER_HOUR
    scalar = np.stack(
        [known[..., -1], known[..., -3 * q :].mean(-1), known[..., -6 * q :].mean(-1), known.mean(-1)], axis=-1
    )
    products = PRODUCTS[min(delay, 1)]
    return Inputs(
        scalars=scalar[..., [s for s, _ in products]],
        yesterday=_rows(smooth, last),
        last_week=_rows(smooth, week),
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


def _rows(values: Floats32, at: np.ndarray) -> Floats32:
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
    found: np.ndarray = np.vecdot(a.reshape(len(a), -1), b.reshape(len(b), -1)).astype(np.float64)
    return found


def _times(inverse: np.ndarray, products: np.ndarray) -> Floats32:
    found: Floats32 = np.einsum("sij,sj->si", inverse, products).astype(np.float32)
    return found
