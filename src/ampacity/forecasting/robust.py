"""Residuals cut to a robust size: what a Huber loss needs from a factorised least squares."""

import numpy as np

from ampacity.forecasting.types import Floats, Floats32

SIGMA_OF_MAD = 1.4826


def clipped(residual: Floats32, every: int = 7) -> Floats32:
    """Residuals limited to 1.4826 times their median size, per row; in place.

    One pass of modified residuals (Huber 1977) is a least squares on `fit + clipped(residual)`,
    so that the Gram matrix stays as it is.  The median is taken over every 7th column.
    """
    size = np.abs(residual[:, ::every])
    middle = size.shape[1] // 2
    size.partition(middle, axis=1)
    limit = (SIGMA_OF_MAD * size[:, middle : middle + 1]).astype(residual.dtype)
    return np.clip(residual, -limit, limit, out=residual)


def row_quantiles(values: Floats32, shares: tuple[float, ...]) -> tuple[Floats, ...]:
    """Quantiles of the known values of each row (S,), interpolated; NaN where nothing is known.

    >>> row_quantiles(np.array([[3, np.nan, 1, 2]], np.float32), (0.25, 0.5))
    (array([1.5]), array([2.]))
    """
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.maximum(np.isfinite(ordered).sum(axis=1) - 1, 0)
    rows = np.arange(len(ordered))
    found = []
    for share in shares:
        low = (share * last).astype(np.int64)
        below, above = (ordered[rows, at].astype(np.float64) for at in (low, np.minimum(low + 1, last)))
        found.append(below + (share * last - low) * (above - below))
    return tuple(found)
