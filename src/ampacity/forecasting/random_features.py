"""Smooth interactions of weather and time, as random cosines (Rahimi and Recht 2007)."""

from dataclasses import replace

import numpy as np

from ampacity.forecasting.design import smoothed
from ampacity.forecasting.panel import Shared
from ampacity.forecasting.types import Floats32
from ampacity.timegrid import QUARTERS_PER_DAY

COUNT = 300
WIDTH = 0.2
SEED = 20_260_101


def with_random_features(shared: Shared) -> Shared:
    """The same days with 300 more columns: sqrt(2) cos(U W + b) of weather, hour and weekend."""

    def make() -> Shared:
        return replace(shared, columns=np.hstack([shared.columns, _cosines(shared)]), _memo={})

    found: Shared = shared.remembered("random", make)  # type: ignore[assignment]  # keyed
    return found


def _cosines(shared: Shared) -> Floats32:
    temperature, radiation, wind = shared.design.weather.astype(float)
    hour = shared.columns[:, 1:5]  # the first two harmonics of the day
    free = (shared.design.weekday >= 5).astype(float)
    warmth = (temperature - 10) / 8
    drivers = [warmth, smoothed(warmth, float(QUARTERS_PER_DAY)), radiation / 200 - 0.6, (wind - 5) / 3]
    u = np.stack([*drivers, *(hour.T * np.sqrt(2)), 2 * free - 0.6], axis=1)
    rng = np.random.default_rng(SEED)
    directions = rng.standard_normal((u.shape[1], COUNT)) * WIDTH
    phase = rng.uniform(0, 2 * np.pi, COUNT)
    found: Floats32 = (np.sqrt(2) * np.cos(u @ directions + phase)).astype(np.float32)
    return found
