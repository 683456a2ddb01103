"""What a server keeps between cycles: each block's forecast of the day, made once, and what margins need of its model.

Nothing in a forecast depends on whether its base was kept or made anew: a base is used only
where the model, the weather and the measurements of the days before are those it was made of.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from ampacity.forecasting import DailyForecast, ForecastModel, Weather, dump_model, load_model
from ampacity.timegrid import QUARTERS_PER_DAY, Window

LARGEST_MIB = 2048.0  # of all bases; blocks beyond that are made anew in each cycle
DAYS_BEFORE = 16  # of weather that a base can rest on


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """What a base was made of."""

    model_made_at: datetime
    elements: int
    known_until: int  # the quarter up to which measurements of the days before could be known
    newest_late: int  # the newest stored block with values of the days before
    weather: bytes  # a hash of what was known of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A base that was just made."""

    daily: DailyForecast
    model: ForecastModel
    packed: bytes


def packed(model: ForecastModel) -> bytes:
    """What predictions need of a model beside the base of the day: all but the experts."""
    return dump_model(replace(model, experts={}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A kept base: `daily` of a block, and its model without the experts, packed."""

    rests: Rests
    daily: DailyForecast
    packed: bytes

    def model(self) -> ForecastModel:
        return load_model(self.packed)

    @property
    def mib(self) -> float:
        return (len(self.packed) + self.daily.load.nbytes) / 2**20


@dataclass
class Bases:
    """Kept bases by the number of each block's first element, up to a size in memory."""

    largest_mib: float = LARGEST_MIB
    used: int = 0  # how often one was at hand
    _kept: "OrderedDict[int, Base]" = field(default_factory=OrderedDict)
    _mib: float = 0.0

    def usable(self, first_no: int, rests: Rests, day: int, end_day: int) -> Base | None:
        """The base of a block where it is still right for a window from `day` to before `end_day`."""
        base = self._kept.get(first_no)
        if base is None or base.rests != rests or base.daily.day != day:
            return None
        if base.daily.day + base.daily.load.shape[1] - 1 < end_day:
            return None
        self.used += 1
        return base

    def keep(self, first_no: int, rests: Rests, made: Made) -> None:
        """Keep a base in place of an older one of the block, if there is room."""
        old = self._kept.pop(first_no, None)
        self._mib -= old.mib if old else 0.0
        base = Base(rests=rests, daily=made.daily, packed=made.packed)
        if self._mib + base.mib <= self.largest_mib:
            self._kept[first_no] = base
            self._mib += base.mib


def weather_print(weather: Weather, day_start: int) -> bytes:
    """A hash of the weather that the base of a day rests on: the days before it, that day and the next."""
    window = Window(day_start - DAYS_BEFORE * QUARTERS_PER_DAY, (DAYS_BEFORE + 2) * QUARTERS_PER_DAY)
    at = slice(max(0, window.first - weather.window.first), max(0, window.end - weather.window.first))
    told = hashlib.sha256(repr((weather.window.end >= window.end, weather.perfect)).encode())
    for values in (weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s):
        told.update(np.ascontiguousarray(values[:, at]).tobytes())
    if weather.stale is not None:
        told.update(weather.stale.tobytes())
    return told.digest()
