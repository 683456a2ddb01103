"""Ridge regression of many series on the same columns, whitened from day to day.

One Gram matrix and one inverse serve all series of a weather cell; a series costs only
its products with the columns.  The rows are filtered by 1 - .7 B(1 d) - .2 B(7 d), the
generalised least squares for load errors that persist from day to day.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.panel import FILTER_DAY, FILTER_WEEK, WEEK, Panel, Shared
from ampacity.forecasting.robust import clipped
from ampacity.forecasting.types import Bools, Floats, Floats32
from ampacity.timegrid import QUARTERS_PER_DAY

SCALE_FLOOR = 0.005


@dataclass(frozen=True, kw_only=True)
class RidgeFit:
    """Coefficients per series (S, p) and the range of each column in training (p,)."""

    coefficients: Floats32
    low: Floats32
    high: Floats32

    def fitted(self, shared: Shared, first_day: int, end_day: int, *, in_training: bool = False) -> Floats32:
        """Values of whole days (S, days, 96); columns are clipped to their range in training."""
        if in_training:
            rows = shared.columns[shared.row(first_day) : shared.row(end_day)]
        else:
            rows = shared.clipped(first_day, end_day, self.low, self.high)
        values = self.coefficients @ rows.T
        found: Floats32 = values.reshape(len(values), -1, QUARTERS_PER_DAY)
        return found


def whiten(rows: Floats32) -> Floats32:
    """x(t) - .7 x(t - 1 d) - .2 x(t - 7 d) along axis 0; the first seven days are lost."""
    found: Floats32 = rows[WEEK:] - np.float32(FILTER_DAY) * rows[WEEK - 96 : -96]
    found -= np.float32(FILTER_WEEK) * rows[:-WEEK]
    return found


def whiten_series(y: Floats32) -> Floats32:
    """The same along the last axis."""
    out = y[:, WEEK:] - np.float32(FILTER_DAY) * y[:, WEEK - 96 : -96]
    out -= np.float32(FILTER_WEEK) * y[:, :-WEEK]
    return out


def whiten_known(known: Bools) -> Bools:
    """Where all three values that a filtered row is made of are known."""
    found: Bools = known[:, WEEK:] & known[:, WEEK - 96 : -96] & known[:, :-WEEK]
    return found


def fit_ridge(panel: Panel, first_day: int, end_day: int, *, penalty: float, passes: int) -> RidgeFit:
    """Fit all series of a panel on the days [first_day, end_day), at least 9 of them.

    b = (G + penalty s²)⁻¹ X'W y on whitened rows, G = X'WX, s² its floored diagonal; then
    `passes` Huber passes.  A row that rests on a hole has no residual: it follows the fit.
    """
    shared = panel.shared
    begin, end = shared.row(first_day), shared.row(end_day) - WEEK
    white, weighted = _white_columns(shared)
    inverse = _inverse(shared, begin, end, penalty)
    y = whiten_series(panel.flat()[:, begin : end + WEEK])
    known = panel.known_flat()[:, begin : end + WEEK]
    hole = None if known.all() else ~whiten_known(known)
    x, xw = white[begin:end], weighted[begin:end]
    coefficients = _solve(y @ xw, inverse)
    for _ in range(passes):
        fit = coefficients @ x.T
        residual = y - fit
        if hole is not None:
            residual[hole] = 0
        fit += clipped(residual)
        coefficients = _solve(fit @ xw, inverse)
    low, high = column_range(shared, first_day, end_day)
    return RidgeFit(coefficients=coefficients, low=low, high=high)


def column_range(shared: Shared, first_day: int, end_day: int) -> tuple[Floats32, Floats32]:
    """Least and greatest of each shared column over whole days."""

    def make() -> tuple[Floats32, Floats32]:
        rows = shared.columns[shared.row(first_day) : shared.row(end_day)]
        return rows.min(axis=0), rows.max(axis=0)

    found: tuple[Floats32, Floats32] = shared.remembered(("range", first_day, end_day), make)  # type: ignore[assignment]  # keyed
    return found


def _solve(products: Floats, inverse: Floats) -> Floats32:
    return (products.astype(np.float64) @ inverse).astype(products.dtype)


def _white_columns(shared: Shared) -> tuple[Floats32, Floats32]:
    def make() -> tuple[Floats32, Floats32]:
        white = whiten(shared.columns)
        return white, white * shared.weights()[WEEK:, None].astype(white.dtype)

    found: tuple[Floats32, Floats32] = shared.remembered("white", make)  # type: ignore[assignment]  # keyed
    return found


def _inverse(shared: Shared, begin: int, end: int, penalty: float) -> Floats:
    def make() -> Floats:
        white, weighted = (part[begin:end].astype(np.float64) for part in _white_columns(shared))
        gram = white.T @ weighted
        total = shared.weights()[begin + WEEK : end + WEEK].sum()
        scale = np.sqrt(np.maximum(np.diag(gram), SCALE_FLOOR * total))
        normal = gram / np.outer(scale, scale) + penalty * np.eye(len(scale))
        return np.linalg.inv(normal) / np.outer(scale, scale)

    found: Floats = shared.remembered(("inverse", begin, end, penalty), make)  # type: ignore[assignment]  # keyed
    return found
