"""What a folder of files holds once it has been read: the grid, what it carried, the weather."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.network import PHASES, Network
from ampacity.timegrid import Window

Loads = NDArray[np.float32]
Moments = NDArray[np.datetime64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadSeries:
    """Mean load per quarter hour of N elements or groups.

    `load_w` has shape (N, 3, window.count), import positive [W]; NaN where nothing was measured.
    """

    window: Window
    load_w: Loads

    def __post_init__(self) -> None:
        if self.load_w.ndim != 3 or self.load_w.shape[1:] != (PHASES, self.window.count):
            raise ValueError(f"load_w has shape {self.load_w.shape}, must be (N, {PHASES}, {self.window.count})")

    @classmethod
    def empty(cls, count: int, first: int = 0) -> "LoadSeries":
        """Nothing measured: a window without quarters."""
        return cls(window=Window(first, 0), load_w=np.zeros((count, PHASES, 0), np.float32))

    def over(self, window: Window) -> Loads:
        """The loads of another window, shape (N, 3, window.count); NaN where this one has none."""
        load_w = np.full((len(self.load_w), PHASES, window.count), np.nan, np.float32)
        first, end = max(window.first, self.window.first), min(window.end, self.window.end)
        if first < end:
            known = self.load_w[:, :, first - self.window.first : end - self.window.first]
            load_w[:, :, first - window.first : end - window.first] = known
        return load_w


@dataclass(frozen=True, kw_only=True, eq=False)
class WeatherTable:
    """Weather as it was given, one entry a row; every array has shape (R,).

    Times are UTC as `datetime64[s]`.  `available_at` is NaT where the lead time is unknown; at or after
    `valid_at` the row was observed, before it the row was a forecast.  Radiation is the mean of the
    interval that *ends* at `valid_at`; temperature and wind are the values at that moment.  NaN: not given.
    """

    available_at: Moments
    valid_at: Moments
    latitude: Floats
    longitude: Floats
    temperature_c: Floats
    global_radiation_w_m2: Floats
    wind_speed_m_s: Floats

    def __post_init__(self) -> None:
        sizes = {name: len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the arrays of a weather table must have one length, not {sizes}")

    def __len__(self) -> int:
        return len(self.valid_at)

    @classmethod
    def empty(cls) -> "WeatherTable":
        """No weather known."""
        none, never = np.zeros(0), np.zeros(0, "datetime64[s]")
        return cls(
            available_at=never,
            valid_at=never,
            latitude=none,
            longitude=none,
            temperature_c=none,
            global_radiation_w_m2=none,
            wind_speed_m_s=none,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class InputFolder:
    """A complete input.  The series follow the order of `network.elements` and `network.groups`."""

    network: Network
    measurements: LoadSeries
    group_measurements: LoadSeries
    weather: WeatherTable
