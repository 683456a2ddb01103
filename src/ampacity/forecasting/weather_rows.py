"""Rows of weather as they were given, as weather that was known at a moment."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting.types import WEATHER_VARIABLES, Floats, Ints, Weather
from ampacity.forecasting.weather_grid import weather_on_quarters
from ampacity.timegrid import QUARTER_S, Window


class WeatherRows(Protocol):
    """Weather as it came, a row for each place, time and issue, (R,) arrays; `available_at` is NaT where unknown."""

    @property
    def available_at(self) -> NDArray[np.datetime64]: ...
    @property
    def valid_at(self) -> NDArray[np.datetime64]: ...
    @property
    def latitude(self) -> Floats: ...
    @property
    def longitude(self) -> Floats: ...
    @property
    def temperature_c(self) -> Floats: ...
    @property
    def global_radiation_w_m2(self) -> Floats: ...
    @property
    def wind_speed_m_s(self) -> Floats: ...


@dataclass(frozen=True, kw_only=True)
class WeatherArchive:
    """All issues of all cells, rows sorted so that the newest issue comes last."""

    latitude: Floats  # (C,)
    longitude: Floats  # (C,)
    cell: Ints  # (R,)
    available_s: Ints  # (R,) very early where unknown
    valid_s: Ints  # (R,)
    values: dict[str, Floats]  # (R,) each
    lead_unknown: bool  # some rows do not say when they became known: used as if known beforehand

    def known_at(self, quarter: int, window: Window) -> Weather:
        """The weather of a window as it was known when a quarter began, the newest issue first."""
        return self._weather(self.available_s <= quarter * QUARTER_S, window, perfect=self.lead_unknown)

    def observed(self, window: Window) -> Weather:
        """The weather that came: forecasts left out, as if it had been known beforehand."""
        forecast = (self.available_s < self.valid_s) & (self.available_s > _UNKNOWN_S)
        return self._weather(~forecast, window, perfect=True)

    def _weather(self, use: NDArray[np.bool_], window: Window, *, perfect: bool) -> Weather:
        values = {name: column[use] for name, column in self.values.items()}
        found = weather_on_quarters(window, len(self.latitude), self.cell[use], self.valid_s[use], values)
        return Weather(
            window=window,
            latitude=self.latitude,
            longitude=self.longitude,
            temperature_c=found["temperature_c"],
            global_radiation_w_m2=found["global_radiation_w_m2"],
            wind_speed_m_s=found["wind_speed_m_s"],
            perfect=perfect,
        )


_UNKNOWN_S = np.iinfo(np.int64).min


def archive(rows: WeatherRows) -> WeatherArchive:
    """Sort rows by issue and number their cells."""
    places = np.stack([rows.latitude, rows.longitude], axis=1)
    cells, cell = np.unique(places, axis=0, return_inverse=True)
    unknown = np.isnat(rows.available_at)
    available_s = rows.available_at.astype("datetime64[s]").astype(np.int64)
    available_s[unknown] = _UNKNOWN_S
    order = np.argsort(available_s, kind="stable")
    return WeatherArchive(
        latitude=cells[:, 0] if len(cells) else np.zeros(0),
        longitude=cells[:, 1] if len(cells) else np.zeros(0),
        cell=cell.reshape(-1)[order],
        available_s=available_s[order],
        valid_s=rows.valid_at.astype("datetime64[s]").astype(np.int64)[order],
        values={name: getattr(rows, name)[order] for name in WEATHER_VARIABLES},
        lead_unknown=bool(unknown.any()),
    )
