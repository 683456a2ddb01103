"""The interface of the models that are mixed: fit on past days, forecast coming ones.

An expert sees a panel (all series of a cell at once) and forecasts whole days for each *delay*:
0 when everything up to the day before is known, 1 without the last day, 2 without the last two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ampacity.forecasting.panel import Panel
from ampacity.forecasting.types import Floats32


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What an expert learnt: arrays per series (S, ...), arrays that the series share, and the end of the training."""

    series: Mapping[str, Floats32]
    shared: Mapping[str, Floats32]
    end_day: int


class Expert(Protocol):
    """One way to forecast."""

    @property
    def name(self) -> str: ...

    @property
    def delays(self) -> int:
        """For how many delays it forecasts; what it returns for longer ones is not used."""

    @property
    def weight(self) -> float:
        """Its weight among equals in the mixture."""

    def fit(self, panel: Panel, first_day: int, end_day: int) -> Fitted:
        """Learn from the days [first_day, end_day) of all series."""

    def forecast(self, fitted: Fitted, panel: Panel, first_day: int, end_day: int) -> Floats32:
        """Forecasts of whole days by delay, (3, S, days, 96); of a day only what was known before it is used."""
