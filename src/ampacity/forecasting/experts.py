"""The experts by name."""

import numpy as np

from ampacity.forecasting.expert import Expert
from ampacity.forecasting.followed import SharedRidge
from ampacity.forecasting.hourly import Hourly
from ampacity.forecasting.lagged import Lagged
from ampacity.forecasting.smoothing import DELAYS, Smoother
from ampacity.forecasting.types import Bools

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
    penalty=3.0,
    passes=3,
    smoother=Smoother(level_gain=0.25, profile_gains=(0.0, 0.0, 0.0)),
    random_features=True,
)

EXPERTS: dict[str, Expert] = {expert.name: expert for expert in (SMOOTH, CLASSED, HOURLY, LAGGED, RANDOM)}


def takes_part(names: tuple[str, ...]) -> Bools:
    """Which experts forecast at which delay, (3, I)."""
    delays = np.array([EXPERTS[name].delays for name in names])
    found: Bools = np.arange(DELAYS)[:, None] < delays
    return found
