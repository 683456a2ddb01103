"""Designs, each made once and reused from block to block."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from ampacity.forecasting.design import Design, make_design
from ampacity.forecasting.panel import Shared, days_window, share
from ampacity.forecasting.types import ForecastSettings, Weather

REMEMBERED = 64


@dataclass(frozen=True)
class Designs:
    """The designs of one weather and one set of settings."""

    weather: Weather
    settings: ForecastSettings
    _made: dict[tuple[int, int, int, float], Shared] = field(default_factory=dict, repr=False)

    @cached_property
    def weather_free(self) -> "Designs":
        """The same without weather: the calendar alone, for the models that stand in where weather is missing."""
        settings = replace(self.settings, experts=self.settings.weather_free_experts, weather_free_experts=())
        return Designs(self.weather.unknown(), settings)

    def shared(self, cell: int, first_day: int, end_day: int, *, minimum_known: float = 0.0) -> Shared:
        """The design of a weather cell (-1: of the calendar alone) over whole days."""
        key = (cell, first_day, end_day, minimum_known)
        found = self._made.get(key)
        if found is None:  # blocks are computed in several threads: one may clear what another just looked for
            design = self._design(cell, first_day, end_day, minimum_known)
            found = share(design, first_day, self.settings.half_life_days)
            if len(self._made) >= REMEMBERED:
                self._made.clear()
            self._made[key] = found
        return found

    def _design(self, cell: int, first_day: int, end_day: int, minimum_known: float) -> Design:
        window = days_window(first_day, end_day, self.settings.day_start_quarter)
        return make_design(self.weather, cell, window, self.settings, minimum_known=minimum_known)
