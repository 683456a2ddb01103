"""How good published forecasts were, as sums that add up over days and elements."""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.types import Bools, Floats, LoadForecast
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

FIGURES = ("quarters", "absolute_error_w", "error_w", "above", "margin_w")
LEAD_CLASSES = (("up to 1 h", 0, 1), ("1 to 6 h", 1, 6), ("6 to 24 h", 6, 24))  # hours from the origin


@dataclass(frozen=True, kw_only=True)
class ForecastScore:
    """Sums over known quarters, (figure, E, 3, lead class) in the order of FIGURES and LEAD_CLASSES.

    `beyond` (level, E, 3, lead class) counts the quarters above each quantile, below it for levels
    under one half, out of `counted` (E, 3, lead class), by default all; there may be no levels.
    """

    sums: Floats
    levels: tuple[float, ...] = ()
    beyond: Floats | None = None
    counted: Floats | None = None

    def of(self, figure: str) -> Floats:
        """One figure's sums, (E, 3, lead class)."""
        found: Floats = self.sums[FIGURES.index(figure)]
        return found

    def mean(self, figure: str, axis: int | tuple[int, ...] | None = None) -> Floats:
        """Mean over quarters of a figure, over some axes of (E, 3, lead class) as well; NaN where nothing is known."""
        total, quarters = self.of(figure).sum(axis=axis or ()), self.of("quarters").sum(axis=axis or ())
        return np.where(quarters > 0, total / np.maximum(quarters, 1), np.nan)

    def total(self) -> "ForecastScore":
        """The sums over all elements and phases, as of one."""
        beyond = None if self.beyond is None else self.beyond.sum(axis=(1, 2), keepdims=True)
        return ForecastScore(sums=self.sums.sum(axis=(1, 2), keepdims=True), levels=self.levels, beyond=beyond)


def promised_beyond(level: float) -> float:
    """The share of quarters that a quantile promises to lie beyond it.

    >>> promised_beyond(0.99), promised_beyond(0.05), promised_beyond(0.5)
    (0.01, 0.05, 0.5)
    """
    return round(min(level, 1 - level), 9)


def score_forecast(forecast: LoadForecast, came_w: Floats, risk: float) -> ForecastScore:
    """Compare a forecast with what came over its window.

    Args:
        came_w: (E, 3, T) of the forecast's window [W]; NaN unknown.
        risk: whose upper quantile counts.
    """
    count = min(QUARTERS_PER_DAY, forecast.window.count)
    median, upper = forecast.at(0.5)[..., :count], forecast.at(1 - risk)[..., :count]
    came = came_w[..., :count]
    known = np.isfinite(came) & np.isfinite(median)
    error = median - came
    parts = (np.ones_like(came), np.abs(error), error, came > upper, upper - median)
    sums = np.zeros((len(FIGURES), *came.shape[:2], len(LEAD_CLASSES)))
    for c, (_, first_h, end_h) in enumerate(LEAD_CLASSES):
        at = slice(first_h * QUARTERS_PER_HOUR, end_h * QUARTERS_PER_HOUR)
        for f, part in enumerate(parts):
            sums[f, ..., c] = np.where(known, part, 0)[..., at].sum(axis=-1)
    return ForecastScore(sums=sums, levels=forecast.levels, beyond=_beyond(forecast, came, known))


def _beyond(forecast: LoadForecast, came_w: Floats, known: Bools) -> Floats:
    """Quarters beyond each quantile, (level, E, 3, lead class)."""
    beyond = np.zeros((len(forecast.levels), *came_w.shape[:2], len(LEAD_CLASSES)))
    for i, level in enumerate(forecast.levels):
        quantile_w = forecast.load_w[i][..., : came_w.shape[2]]
        passed = known & ((came_w < quantile_w) if level < 0.5 else (came_w > quantile_w))
        for c, (_, first_h, end_h) in enumerate(LEAD_CLASSES):
            beyond[i, ..., c] = passed[..., first_h * QUARTERS_PER_HOUR : end_h * QUARTERS_PER_HOUR].sum(axis=-1)
    return beyond
