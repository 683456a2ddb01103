"""Ridge on the shared columns and the series' own lags at once, exactly per series.

The Gram matrix of the shared columns is factorised once; per series only a 7 x 7 Schur complement
is (Frisch and Waugh 1933): the same coefficients as a regression of its own, at a fraction of the cost.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.correction import apply_correction, correction_inputs, fit_correction, smooth_hours
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.panel import Panel
from ampacity.forecasting.robust import clipped
from ampacity.forecasting.smoothing import DELAYS
from ampacity.forecasting.types import Floats, Floats32
from ampacity.timegrid import QUARTERS_PER_DAY

LAG_DAYS = (1, 2, 7, 14)
MONTH_LAGS = (7, 14, 21, 28)
LAGS = len(LAG_DAYS) + 3
SCALE_FLOOR = 0.02
CORRECTED_DAYS = 150
STATE_DAYS = 8


@dataclass(frozen=True, kw_only=True)
class LaggedFit:
    """Coefficients of the shared columns (S, p) and of the lags (S, 7)."""

    shared: Floats32
    lags: Floats32


def lag_columns(panel: Panel, first_day: int, end_day: int) -> Floats32:
    """Own lags of whole days (S, 7, days, 96): 1, 2, 7, 14 days, four-week mean, level of yesterday and of last week.

    A lag from before the panel is the nearest day of the same weekday inside it.
    """
    y = panel.y
    target = np.arange(first_day, end_day) - panel.first_day
    out = np.empty((len(y), LAGS, len(target), QUARTERS_PER_DAY), y.dtype)
    for i, lag in enumerate(LAG_DAYS):
        out[:, i] = y[:, _inside(target - lag)]
    out[:, 4] = np.mean([y[:, _inside(target - lag)] for lag in MONTH_LAGS], axis=0)
    level = y.mean(axis=2)
    out[:, 5] = level[:, _inside(target - 1)][..., None]
    out[:, 6] = np.mean([level[:, _inside(target - lag)] for lag in range(1, 8)], axis=0)[..., None]
    return out


def fit_lagged(panel: Panel, first_day: int, end_day: int, *, penalty: float, passes: int) -> LaggedFit:
    """Fit the days [first_day + 7, end_day)."""
    shared = panel.shared
    begin = first_day + 7
    rows = slice(shared.row(begin), shared.row(end_day))
    x = shared.columns[rows]
    w = shared.weights()[rows].astype(x.dtype)
    lags = lag_columns(panel, begin, end_day).reshape(len(panel.y), LAGS, -1)
    y = panel.flat()[:, rows]
    known = panel.known_flat()[:, rows]
    solve = _factorised(x, w, lags, penalty)
    fit = solve(*_products(x, w, lags, y))
    for _ in range(passes):
        fitted = _fitted(fit, x, lags)
        residual = y - fitted
        residual[~known] = 0
        fitted += clipped(residual)
        fit = solve(*_products(x, w, lags, fitted))
    return fit


@dataclass(frozen=True, kw_only=True)
class Lagged:
    """The regression with own lags as an expert, for today only."""

    name: str = "lagged"
    penalty: float = 1e-3
    passes: int = 2
    delays: int = 1
    weight: float = 1.0

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        found = fit_lagged(panel, first_day, end_day, penalty=self.penalty, passes=self.passes)
        rows = panel.shared.columns[panel.shared.row(first_day) : panel.shared.row(end_day)]
        low, high = rows.min(axis=0), rows.max(axis=0)
        begin = max(first_day + 7, end_day - CORRECTED_DAYS)
        u = self._errors(found, panel, begin, end_day, (low, high))
        settled = slice(min(14, u.shape[1] // 2), None)
        inputs = correction_inputs(u, smooth_hours(u), settled, 0)
        series = {
            "shared": found.shared,
            "lags": found.lags,
            "correction": fit_correction(inputs, u[:, settled]),
        }
        return Fitted(series=series, shared={"low": low, "high": high}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, first_day: int, end_day: int) -> Floats32:
        begin = max(panel.first_day, first_day - STATE_DAYS)
        fit = LaggedFit(shared=fitted.series["shared"], lags=fitted.series["lags"])
        limits = (fitted.shared["low"], fitted.shared["high"])
        base = self._values(fit, panel, begin, end_day, limits)
        days = slice(begin - panel.first_day, end_day - panel.first_day)
        u = np.where(panel.known[:, days], panel.y[:, days] - base, np.float32(0))
        targets = slice(first_day - begin, None)
        inputs = correction_inputs(u, smooth_hours(u), targets, 0)
        found = base[:, targets] + apply_correction(fitted.series["correction"], inputs)
        return np.broadcast_to(found, (DELAYS, *found.shape))

    def _values(
        self, fit: LaggedFit, panel: Panel, first_day: int, end_day: int, limits: tuple[Floats32, Floats32]
    ) -> Floats32:
        rows = panel.shared.columns[panel.shared.row(first_day) : panel.shared.row(end_day)]
        lags = lag_columns(panel, first_day, end_day)
        values = _fitted(fit, np.clip(rows, *limits), lags.reshape(len(panel.y), LAGS, -1))
        found: Floats32 = values.reshape(len(panel.y), -1, QUARTERS_PER_DAY)
        return found

    def _errors(
        self, fit: LaggedFit, panel: Panel, first_day: int, end_day: int, limits: tuple[Floats32, Floats32]
    ) -> Floats32:
        days = slice(first_day - panel.first_day, end_day - panel.first_day)
        values = self._values(fit, panel, first_day, end_day, limits)
        return np.where(panel.known[:, days], panel.y[:, days] - values, np.float32(0))


def _inside(at: np.ndarray) -> np.ndarray:
    """Days before the first moved on by whole weeks."""
    found: np.ndarray = np.where(at < 0, at % 7, at)
    return found


def _fitted(fit: LaggedFit, x: Floats32, lags: Floats32) -> Floats32:
    out: Floats32 = np.matmul(fit.shared, x.T)
    out += np.matmul(fit.lags[:, None], lags)[:, 0]
    return out


def _products(x: Floats32, w: Floats32, lags: Floats32, y: Floats32) -> tuple[Floats, Floats]:
    weighted = y * w
    own = np.matmul(lags, weighted[..., None])[..., 0]
    return np.matmul(weighted, x).astype(np.float64), own.astype(np.float64)


def _factorised(x: Floats32, w: Floats32, lags: Floats32, penalty: float) -> "_Solve":
    xw = x * w[:, None]
    gram = (x.astype(np.float64)).T @ xw.astype(np.float64)
    floor = SCALE_FLOOR * float(w.sum())
    scale = np.sqrt(np.maximum(np.diag(gram), floor))
    inverse = np.linalg.inv(gram + penalty * np.diag(scale**2))
    cross = np.matmul(lags, xw).astype(np.float64)
    own = np.matmul(lags * w, lags.transpose(0, 2, 1)).astype(np.float64)
    diagonal = np.maximum(np.diagonal(own, axis1=1, axis2=2), floor * 1e-3)
    own += penalty * diagonal[:, :, None] * np.eye(LAGS)
    projected = np.matmul(cross, inverse)
    schur = np.linalg.inv(own - np.matmul(projected, cross.transpose(0, 2, 1)))
    return _Solve(inverse=inverse, projected=projected, schur=schur, dtype=x.dtype)


@dataclass(frozen=True, kw_only=True)
class _Solve:
    """Solves [[G, C'], [C, O]] [b, c] = [p, q] per series."""

    inverse: Floats  # (p, p) of G
    projected: Floats  # (S, 7, p) C G⁻¹
    schur: Floats  # (S, 7, 7) of (O - C G⁻¹ C')
    dtype: np.dtype[np.floating]  # of the coefficients

    def __call__(self, shared: Floats, own: Floats) -> LaggedFit:
        rest = own - np.matmul(self.projected, shared[..., None])[..., 0]
        c = np.matmul(self.schur, rest[..., None])[..., 0]
        b = shared @ self.inverse - np.matmul(c[:, None], self.projected)[:, 0]
        return LaggedFit(shared=b.astype(self.dtype), lags=c.astype(self.dtype))
