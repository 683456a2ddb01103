"""What the same weekday usually was: no weather and nothing to estimate, so little that could go wrong."""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.expert import DELAYS, Fitted, Targets
from ampacity.forecasting.panel import Panel
from ampacity.forecasting.types import Floats32

WEEK_LAGS = (7, 14, 21, 28)


@dataclass(frozen=True, kw_only=True)
class Usual:
    """The mean of the same weekday in the last four weeks, as an expert.

    Where a load follows neither the weather nor the day before, the others follow noise; it does not.
    """

    name: str = "usual"
    delays: int = DELAYS
    weight: float = 0.5

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:  # noqa: ARG002  # there is nothing to learn
        return Fitted(series={}, shared={}, end_day=end_day)

    def forecast(self, fitted: Fitted, panel: Panel, targets: Targets) -> Floats32:  # noqa: ARG002
        """The mean of what is known of those days; the last known day where nothing is."""
        target = targets.day - panel.first_day
        total = np.zeros((len(panel.y), len(target), panel.y.shape[2]), np.float32)
        count = np.zeros_like(total)
        for lag in WEEK_LAGS:
            at = np.flatnonzero(target >= lag)
            known = panel.known[:, target[at] - lag]
            total[:, at] += panel.y[:, target[at] - lag] * known
            count[:, at] += known
        last = panel.y[:, np.maximum(target - 1 - targets.delay, 0)]
        found: Floats32 = np.where(count > 0, total / np.maximum(count, 1), last)
        return found
