"""The recipe's first experts: a shared ridge, followed from day to day, corrected by the last hours."""

from dataclasses import dataclass, replace

import numpy as np

from ampacity.forecasting.correction import apply_correction, correction_inputs, fit_correction, smooth_hours
from ampacity.forecasting.expert import DELAYS, Fitted, Targets
from ampacity.forecasting.panel import Panel
from ampacity.forecasting.random_features import with_random_features
from ampacity.forecasting.ridge import RidgeFit, fit_ridge
from ampacity.forecasting.smoothing import Smoother, SmoothState, follow, start_state
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
        kinds = panel.shared.day_class[begin - panel.first_day : end_day - panel.first_day]
        target = np.arange(min(14, residual.shape[1] // 2), residual.shape[1])
        late = np.ones_like(target)
        start, keep = start_state(residual, known), end_day - STATE_DAYS - begin
        followed = follow(self.smoother, start, residual, known, kinds, asked=(target, late), keep_day=keep)
        hole = None if known.all() else ~known
        u = _without(residual - followed.each_day, hole)
        smooth = smooth_hours(u)
        now = u[:, target[0] :]
        before = residual[:, target[0] :] - followed.asked
        before = _without(before, None if hole is None else hole[:, target[0] :])
        kept = followed.kept
        series = {
            "coefficients": ridge.coefficients,
            "level": kept.level,
            "profile": kept.profile if any(self.smoother.profile_gains) else kept.profile[:, :0],
            "correction_0": fit_correction(correction_inputs(u, target, 0 * late, smooth), now),
            "correction_1": fit_correction(correction_inputs(u, target, late, smooth), before),
        }
        return Fitted(series=series, shared={"low": ridge.low, "high": ridge.high}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, targets: Targets) -> Floats32:
        panel = self._panel(panel)
        end_day = int(targets.day.max()) + 1
        begin = max(panel.first_day, min(fitted.end_day, int(targets.day.min())) - STATE_DAYS)
        ridge = RidgeFit(
            coefficients=fitted.series["coefficients"], low=fitted.shared["low"], high=fitted.shared["high"]
        )
        fit = ridge.fitted(panel.shared, begin, end_day)
        days = slice(begin - panel.first_day, end_day - panel.first_day)
        known, kinds = panel.known[:, days], panel.shared.day_class[days]
        residual = _without(panel.y[:, days] - fit, ~known)
        asked = (targets.day - begin, targets.delay)
        followed = follow(self.smoother, self._state(fitted), residual, known, kinds, asked=asked)
        u = _without(residual - followed.each_day, ~known)
        found = fit[:, asked[0]] + followed.asked
        for late in (False, True):
            which = np.flatnonzero((targets.delay > 0) == late)
            if len(which):
                inputs = correction_inputs(u, asked[0][which], targets.delay[which])
                found[:, which] += apply_correction(fitted.series[f"correction_{int(late)}"], inputs)
        return found

    def _panel(self, panel: Panel) -> Panel:
        return replace(panel, shared=with_random_features(panel.shared)) if self.random_features else panel

    def _residual(self, ridge: RidgeFit, panel: Panel, first_day: int, end_day: int) -> tuple[Floats32, Bools]:
        days = slice(first_day - panel.first_day, end_day - panel.first_day)
        known = panel.known[:, days]
        residual = panel.y[:, days] - ridge.fitted(panel.shared, first_day, end_day, in_training=True)
        return residual, known

    def _state(self, fitted: Fitted) -> SmoothState:
        level, profile = fitted.series["level"], fitted.series["profile"]
        if profile.shape[1] == 0:
            profile = np.zeros((len(level), 3, level.shape[1]), np.float32)
        return SmoothState(level=level, profile=profile)


def _without(values: Floats32, hole: Bools | None) -> Floats32:
    """The values, zero where unknown; in place."""
    if hole is not None:
        values[hole] = 0
    return values
