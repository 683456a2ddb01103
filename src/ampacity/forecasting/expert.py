"""The interface of the models that are mixed: fit on past days, forecast coming ones.

An expert sees a panel (all series of a cell at once) and forecasts whole days for each *delay*:
0 when everything up to the day before is known, 1 without the last day, 2 without the last two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ampacity.forecasting.panel import Panel
from ampacity.forecasting.types import Floats32, Ints

DELAYS = 3  # today, tomorrow, the day after


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What an expert learnt: arrays per series (S, ...), arrays that the series share, and the end of the training."""

    series: Mapping[str, Floats32]
    shared: Mapping[str, Floats32]
    end_day: int


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Whole days to forecast, each with its delay."""

    day: Ints  # (n,)
    delay: Ints  # (n,)

    @classmethod
    def all_delays(cls, first_day: int, end_day: int) -> "Targets":
        """The days [first_day, end_day) without delay, then all with the next one, and so on."""
        days = np.arange(first_day, end_day)
        return cls(day=np.tile(days, DELAYS), delay=np.repeat(np.arange(DELAYS), len(days)))


class Expert(Protocol):
    """One way to forecast."""

    @property
    def name(self) -> str: ...

    @property
    def delays(self) -> int:
        """For how many delays it forecasts; for longer ones it returns zeros, that are not used."""

    @property
    def weight(self) -> float:
        """Its weight among equals in the mixture."""

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        """Learn from the days [first_day, end_day) of all series."""

    def forecast(self, fitted: Fitted, panel: Panel, targets: Targets) -> Floats32:
        """Forecasts of whole days, (S, n, 96); of each only what was known before it, and its delay, is used."""
