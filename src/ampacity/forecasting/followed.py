"""The recipe's first experts: a shared ridge, followed from day to day, corrected by the last hours."""

from dataclasses import dataclass, replace

import numpy as np

from ampacity.forecasting.correction import apply_correction, correction_inputs, fit_correction, smooth_hours
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.panel import Panel
from ampacity.forecasting.random_features import with_random_features
from ampacity.forecasting.ridge import RidgeFit, fit_ridge
from ampacity.forecasting.smoothing import DELAYS, Smoother, SmoothState, follow, start_state
from ampacity.forecasting.types import Bools, Floats32

FOLLOWED_DAYS = 150
STATE_DAYS = 8  # how far before the end of the training a state is kept: a week of errors and one day


@dataclass(frozen=True, kw_only=True)
class SharedRidge:
    """Ridge on the shared columns, its residual followed from day to day, then the last hours' correction."""

    name: str
    penalty: float
    passes: int
    smoother: Smoother
    delays: int = DELAYS
    random_features: bool = False
    weight: float = 1.0

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        panel = self._panel(panel)
        ridge = fit_ridge(panel, first_day, end_day, penalty=self.penalty, passes=self.passes)
        begin = max(first_day, end_day - FOLLOWED_DAYS)
        residual, known = self._residual(ridge, panel, begin, end_day)
        shared = panel.shared
        kinds = shared.day_class[begin - shared.first_day : end_day - shared.first_day]
        start = start_state(residual, known)
        followed, kept = follow(self.smoother, start, residual, known, kinds, keep_day=end_day - STATE_DAYS - begin)
        u = np.where(known, residual - followed[0], np.float32(0))
        smooth = smooth_hours(u)
        settled = slice(min(14, u.shape[1] // 2), None)
        series = {
            "coefficients": ridge.coefficients,
            "level": kept.level,
            "profile": kept.profile if any(self.smoother.profile_gains) else kept.profile[:, :0],
        }
        for delay in (0, 1):
            inputs = correction_inputs(u, smooth, settled, delay)
            target = np.where(known, residual - followed[delay], np.float32(0))[:, settled]
            series[f"correction_{delay}"] = fit_correction(inputs, target)
        return Fitted(series=series, shared={"low": ridge.low, "high": ridge.high}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, first_day: int, end_day: int) -> Floats32:
        panel = self._panel(panel)
        begin = max(panel.first_day, min(fitted.end_day, first_day) - STATE_DAYS)
        ridge = RidgeFit(
            coefficients=fitted.series["coefficients"], low=fitted.shared["low"], high=fitted.shared["high"]
        )
        fit = ridge.fitted(panel.shared, begin, end_day)
        days = slice(begin - panel.first_day, end_day - panel.first_day)
        known = panel.known[:, days]
        residual = np.where(known, panel.y[:, days] - fit, np.float32(0))
        kinds = panel.shared.day_class[days]
        followed, _ = follow(self.smoother, self._state(fitted), residual, known, kinds, keep_day=0)
        u = np.where(known, residual - followed[0], np.float32(0))
        smooth = smooth_hours(u)
        targets = slice(first_day - begin, None)
        out = np.empty((DELAYS, len(u), end_day - first_day, u.shape[2]), np.float32)
        for delay in range(DELAYS):
            inputs = correction_inputs(u, smooth, targets, delay)
            correction = apply_correction(fitted.series[f"correction_{min(delay, 1)}"], inputs)
            out[delay] = fit[:, targets] + followed[delay][:, targets] + correction
        return out

    def _panel(self, panel: Panel) -> Panel:
        return replace(panel, shared=with_random_features(panel.shared)) if self.random_features else panel

    def _residual(self, ridge: RidgeFit, panel: Panel, first_day: int, end_day: int) -> tuple[Floats32, Bools]:
        days = slice(first_day - panel.first_day, end_day - panel.first_day)
        known = panel.known[:, days]
        residual = panel.y[:, days] - ridge.fitted(panel.shared, first_day, end_day)
        return residual, known

    def _state(self, fitted: Fitted) -> SmoothState:
        level, profile = fitted.series["level"], fitted.series["profile"]
        if profile.shape[1] == 0:
            profile = np.zeros((len(level), 3, level.shape[1]), np.float32)
        return SmoothState(level=level, profile=profile)
