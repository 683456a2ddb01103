"""Ridge on the shared columns and the series' own lags at once, exactly per series.

The Gram matrix of the shared columns is factorised once; per series only a 7 x 7 Schur complement
is (Frisch and Waugh 1933): the same coefficients as a regression of its own, at a fraction of the cost.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.correction import apply_correction, correction_inputs, fit_correction, smooth_hours
from ampacity.forecasting.expert import Fitted, Targets
from ampacity.forecasting.panel import Panel, Shared
from ampacity.forecasting.ridge import column_range
from ampacity.forecasting.robust import clipped
from ampacity.forecasting.types import Floats, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

LAG_DAYS = (1, 2, 7, 14)
MONTH_LAGS = (7, 14, 21, 28)
LAGS = len(LAG_DAYS) + 3
SCALE_FLOOR = 0.02
CORRECTED_DAYS = 150


@dataclass(frozen=True, kw_only=True)
class LaggedFit:
    """Coefficients of the shared columns (S, p) and of the lags (S, 7)."""

    shared: Floats32
    lags: Floats32


def lag_columns(panel: Panel, days: Ints) -> Floats32:
    """Own lags of whole days (S, 7, n, 96): 1, 2, 7, 14 days, four-week mean, level of yesterday and of last week.

    A lag from before the panel is the nearest day of the same weekday inside it.
    """
    y = panel.y
    target = days - panel.first_day
    out = np.empty((len(y), LAGS, len(target), QUARTERS_PER_DAY), y.dtype)
    for i, lag in enumerate(LAG_DAYS):
        out[:, i] = y[:, _inside(target - lag)]
    out[:, 4] = y[:, _inside(target - MONTH_LAGS[0])]
    for lag in MONTH_LAGS[1:]:
        out[:, 4] += y[:, _inside(target - lag)]
    out[:, 4] /= len(MONTH_LAGS)
    level = y.mean(axis=2)
    out[:, 5] = level[:, _inside(target - 1)][..., None]
    out[:, 6] = np.mean([level[:, _inside(target - lag)] for lag in range(1, 8)], axis=0)[..., None]
    return out


def fit_lagged(
    panel: Panel, first_day: int, end_day: int, *, penalty: float, passes: int, lags: Floats32 | None = None
) -> LaggedFit:
    """Fit the days [first_day + 7, end_day).

    Args:
        lags: the own lags of these days, where they are at hand.
    """
    shared = panel.shared
    begin = first_day + 7
    rows = slice(shared.row(begin), shared.row(end_day))
    x = shared.columns[rows]
    if lags is None:
        lags = lag_columns(panel, np.arange(begin, end_day))
    lags = lags.reshape(len(panel.y), LAGS, -1)
    y = panel.flat()[:, rows]
    known = panel.known_flat()[:, rows]
    hole = None if known.all() else ~known
    gram = _shared_gram(shared, begin, end_day, penalty)
    solve = _factorised(gram, lags, penalty)
    fit = solve(*_products(x, gram.w, lags, y))
    for _ in range(passes):
        fitted = _fitted(fit, x, lags)
        residual = y - fitted
        if hole is not None:
            residual[hole] = 0
        fitted += clipped(residual)
        fit = solve(*_products(x, gram.w, lags, fitted))
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
        lags = lag_columns(panel, np.arange(first_day + 7, end_day))
        found = fit_lagged(panel, first_day, end_day, penalty=self.penalty, passes=self.passes, lags=lags)
        low, high = column_range(panel.shared, first_day, end_day)
        begin = max(first_day + 7, end_day - CORRECTED_DAYS)
        days = slice(begin - panel.first_day, end_day - panel.first_day)
        rows = panel.shared.columns[panel.shared.row(begin) : panel.shared.row(end_day)]
        lags = lags[:, :, begin - first_day - 7 :].reshape(len(lags), LAGS, -1)
        u = panel.y[:, days] - _by_day(_fitted(found, rows, lags))
        u[~panel.known[:, days]] = 0
        target = np.arange(min(14, u.shape[1] // 2), u.shape[1])
        inputs = correction_inputs(u, target, np.zeros_like(target), smooth_hours(u))
        series = {
            "shared": found.shared,
            "lags": found.lags,
            "correction": fit_correction(inputs, u[:, target[0] :]),
        }
        return Fitted(series=series, shared={"low": low, "high": high}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, targets: Targets) -> Floats32:
        out = np.zeros((len(panel.y), len(targets.day), QUARTERS_PER_DAY), np.float32)
        asked = np.flatnonzero(targets.delay == 0)
        day = targets.day[asked]
        needed = np.unique(np.concatenate([day - 7, day - 1, day]))
        needed = needed[needed >= panel.first_day]
        base = self._values(fitted, panel, needed)
        known = panel.known[:, needed - panel.first_day]
        u = np.zeros((len(out), int(day.max()) - panel.first_day + 1, QUARTERS_PER_DAY), np.float32)
        u[:, needed - panel.first_day] = np.where(known, panel.y[:, needed - panel.first_day] - base, np.float32(0))
        inputs = correction_inputs(u, day - panel.first_day, np.zeros_like(day))
        correction = apply_correction(fitted.series["correction"], inputs)
        out[:, asked] = base[:, np.searchsorted(needed, day)] + correction
        return out

    def _values(self, fitted: Fitted, panel: Panel, days: Ints) -> Floats32:
        first, end = int(days.min()), int(days.max()) + 1
        columns = panel.shared.clipped(first, end, fitted.shared["low"], fitted.shared["high"])
        rows = columns.reshape(end - first, QUARTERS_PER_DAY, -1)[days - first].reshape(-1, columns.shape[1])
        fit = LaggedFit(shared=fitted.series["shared"], lags=fitted.series["lags"])
        return _by_day(_fitted(fit, rows, lag_columns(panel, days).reshape(len(panel.y), LAGS, -1)))


def _by_day(values: Floats32) -> Floats32:
    found: Floats32 = values.reshape(len(values), -1, QUARTERS_PER_DAY)
    return found


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


@dataclass(frozen=True, kw_only=True)
class _Gram:
    """What the series share: weights, weighted columns and the inverse of their penalised Gram matrix."""

    w: Floats32  # (T,)
    weighted: Floats32  # (T, p)
    inverse: Floats  # (p, p)
    floor: float


def _shared_gram(shared: Shared, first_day: int, end_day: int, penalty: float) -> _Gram:
    def make() -> _Gram:
        rows = slice(shared.row(first_day), shared.row(end_day))
        x = shared.columns[rows]
        w = shared.weights()[rows].astype(x.dtype)
        xw = x * w[:, None]
        gram = (x.astype(np.float64)).T @ xw.astype(np.float64)
        floor = SCALE_FLOOR * float(w.sum())
        scale = np.sqrt(np.maximum(np.diag(gram), floor))
        return _Gram(w=w, weighted=xw, inverse=np.linalg.inv(gram + penalty * np.diag(scale**2)), floor=floor)

    found: _Gram = shared.remembered(("lagged", first_day, end_day, penalty), make)  # type: ignore[assignment]  # keyed
    return found


def _factorised(gram: _Gram, lags: Floats32, penalty: float) -> "_Solve":
    flat = lags.reshape(-1, lags.shape[2])
    cross = (flat @ gram.weighted).reshape(len(lags), LAGS, -1).astype(np.float64)
    own = np.matmul(lags * gram.w, lags.transpose(0, 2, 1)).astype(np.float64)
    diagonal = np.maximum(np.diagonal(own, axis1=1, axis2=2), gram.floor * 1e-3)
    own += penalty * diagonal[:, :, None] * np.eye(LAGS)
    projected = (cross.reshape(-1, cross.shape[2]) @ gram.inverse).reshape(cross.shape)
    schur = np.linalg.inv(own - np.matmul(projected, cross.transpose(0, 2, 1)))
    return _Solve(inverse=gram.inverse, projected=projected, schur=schur, dtype=lags.dtype)


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
