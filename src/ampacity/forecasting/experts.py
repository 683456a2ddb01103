"""The experts by name."""

import numpy as np

from ampacity.forecasting.expert import DELAYS, Expert
from ampacity.forecasting.followed import SharedRidge
from ampacity.forecasting.hourly import Hourly
from ampacity.forecasting.lagged import Lagged
from ampacity.forecasting.smoothing import Smoother
from ampacity.forecasting.types import Floats32
from ampacity.forecasting.usual import Usual

SMOOTH = SharedRidge(
    name="smooth", penalty=0.01, passes=2, smoother=Smoother(level_gain=0.25, profile_gains=(0.0, 0.0, 0.0))
)
CLASSED = SharedRidge(
    name="classed", penalty=3.0, passes=2, smoother=Smoother(level_gain=0.25, profile_gains=(0.075, 0.15, 0.15))
)
HOURLY = Hourly()
LAGGED = Lagged()
RANDOM = SharedRidge(
    name="random",
    penalty=1.0,
    passes=2,
    smoother=Smoother(level_gain=0.25, profile_gains=(0.0, 0.0, 0.0)),
    random_features=True,
    weight=1.5,
)

USUAL = Usual()

EXPERTS: dict[str, Expert] = {e.name: e for e in (SMOOTH, CLASSED, HOURLY, LAGGED, RANDOM, USUAL)}


def shares(names: tuple[str, ...]) -> Floats32:
    """Weight among equals of each expert at each delay, (3, I); 0 where it does not forecast."""
    delays = np.array([EXPERTS[name].delays for name in names])
    weight = np.array([EXPERTS[name].weight for name in names], np.float32)
    found: Floats32 = (np.arange(DELAYS)[:, None] < delays) * weight
    return found
