"""What goes into a forecast and what comes out: arrays on the quarter-hour grid."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable
from ampacity.timegrid import Window

Floats = NDArray[np.floating]
Floats16 = NDArray[np.float16]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WEATHER_VARIABLES = ("temperature_c", "global_radiation_w_m2", "wind_speed_m_s")
LEVELS = (0.01, 0.05, 0.5, 0.95, 0.99)
NO_CELL = -1


class ForecastSource(IntEnum):
    """What a forecast of an element's phase rests on."""

    NONE = 0  # there is no such phase: NaN
    LIMIT = 1  # nothing is known of it: the band spans its limit
    PRIOR = 2  # too little history for a model: its few days, or its neighbours' shape
    WEATHER_FREE = 3  # a model of the calendar alone: there is no weather, or none to be trusted
    MODEL = 4
    PROFILE = 5  # nothing measured yet: standard profiles of its connections
    SHARE = 6  # no meter: its share of what its parent carries beyond its other children
    SUM = 7  # no meter: the sum of its children


@dataclass(frozen=True, kw_only=True)
class LoadHistory:
    """Non-controllable load per element and phase [W], float32 (E, 3, T); NaN where missing or marked."""

    window: Window
    load_w: Floats32

    def __post_init__(self) -> None:
        if self.load_w.ndim != 3 or self.load_w.shape[1:] != (3, self.window.count):
            raise Unsuitable(f"load_w has shape {self.load_w.shape}, must be (E, 3, {self.window.count})")

    def until(self, quarter: int) -> "LoadHistory":
        """The part before a quarter."""
        count = max(0, min(self.window.count, quarter - self.window.first))
        return LoadHistory(window=Window(self.window.first, count), load_w=self.load_w[:, :, :count])

    def since(self, quarter: int) -> "LoadHistory":
        """The part from a quarter on."""
        skip = max(0, min(self.window.count, quarter - self.window.first))
        window = Window(self.window.first + skip, self.window.count - skip)
        return LoadHistory(window=window, load_w=self.load_w[:, :, skip:])


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Weather per cell on start-stamped quarters; NaN is unknown.  There may be no cell (C = 0).

    Shapes: places (C,), variables (C, T).  Radiation is the mean over the quarter itself.
    `stale` (C,) marks cells whose newest issue is too old to be trusted for the window ahead, and `issue_age_s` (C,)
    says how old that is, of what is told of the time ahead: NaN where nothing is, or its time of issue is unknown.
    """

    window: Window
    latitude: Floats
    longitude: Floats
    temperature_c: Floats
    global_radiation_w_m2: Floats
    wind_speed_m_s: Floats
    perfect: bool = False
    stale: Bools | None = None
    issue_age_s: Floats | None = None

    def __post_init__(self) -> None:
        for name in WEATHER_VARIABLES:
            shape = getattr(self, name).shape
            if shape != (len(self.latitude), self.window.count):
                raise Unsuitable(f"{name} has shape {shape}, must be ({len(self.latitude)}, {self.window.count})")

    def trusted_for(self, age_s: float) -> "Weather":
        """The same, stale where the newest issue is older than that."""
        if self.issue_age_s is None:
            return self
        return replace(self, stale=np.nan_to_num(self.issue_age_s) > age_s)

    def unknown(self) -> "Weather":
        """The same cells, and nothing known of their weather."""
        nothing = np.full((len(self.latitude), self.window.count), np.nan)
        return replace(
            self,
            temperature_c=nothing,
            global_radiation_w_m2=nothing,
            wind_speed_m_s=nothing,
            stale=None,
            issue_age_s=None,
        )

    @classmethod
    def none(cls, window: Window) -> "Weather":
        """No weather at all."""
        nothing, empty = np.zeros((0, window.count)), np.zeros(0)
        return cls(
            window=window,
            latitude=empty,
            longitude=empty,
            temperature_c=nothing,
            global_radiation_w_m2=nothing,
            wind_speed_m_s=nothing,
        )


@dataclass(frozen=True, kw_only=True)
class ForecastSettings:
    """How to forecast; the defaults are those of the recipe that won the backtests."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Amsterdam"))
    country: str | None = "NL"  # whose public holidays count; None for no holidays
    risk: float = 0.01  # share of quarter hours in which the load may exceed the upper quantile
    day_start_quarter: int = 0  # the daily base is made at this quarter of the UTC day
    half_life_days: float = 60.0  # of the weight of a day in the regression
    training_days: int = 180
    calibration_weeks: int = 4  # rolling weekly refits from which a new model learns its margins
    minimum_days: int = 14  # below it a series gets a prior
    experts: tuple[str, ...] = ("smooth", "classed", "hourly", "lagged", "random", "usual")
    weather_free_experts: tuple[str, ...] = ("classed",)  # of the model that stands in where weather is missing

    def __post_init__(self) -> None:
        if not 0 < self.risk <= 0.2:
            raise Unsuitable(f"risk is {self.risk}, must be above 0 and at most 0.2")

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles of a forecast, ascending."""
        return tuple(sorted({*LEVELS, self.risk, round(1 - self.risk, 9)}))


@dataclass(frozen=True, kw_only=True)
class LoadForecast:
    """Quantiles of the load per element and phase [W], float32 (Q, E, 3, T); they never cross."""

    window: Window
    levels: tuple[float, ...]
    load_w: Floats32
    source: NDArray[np.int8]  # (E, 3) of ForecastSource
    weather_free: Bools | None = None  # (E, 3, T) quarters that rest on the calendar alone; None: no quarter does

    def at(self, level: float) -> Floats32:
        """The quantile of that level, (E, 3, T)."""
        found: Floats32 = self.load_w[int(np.argmin(np.abs(np.array(self.levels) - level)))]
        return found
