"""What a server keeps between cycles: each block's forecast of the day, made once, and what margins need of its model.

A base is used only where the model and the measurements of the days before are those it was
made of, and its weather is at most a few hours old; then nothing but newer weather could
make a new one differ from it.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from ampacity.forecasting import DailyForecast, ForecastModel, Weather, dump_model, load_model
from ampacity.ports import Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

LARGEST_MIB = 2048.0  # of all bases; blocks beyond that are made anew in each cycle
WEATHER_HOURS = 6
MOSTLY = 0.9  # of the next day's weather is known: the rest is filled in


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """What a base was made of."""

    model_made_at: datetime
    elements: int
    known_until: int  # the quarter up to which measurements of the days before could be known
    newest_late: int  # the newest stored block with values of the days before
    weather: bytes  # from `weather_print`


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A base that was just made."""

    daily: DailyForecast
    model: ForecastModel
    packed: bytes


def packed(model: ForecastModel) -> bytes:
    """What predictions need of a model beside the base of the day: all but the experts."""
    beside = model.weather_free
    alone = None if beside is None else replace(beside, experts={})
    return dump_model(replace(model, experts={}, weather_free=alone))


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
        beside = self.daily.weather_free
        arrays = self.daily.load.nbytes + self.daily.lacks.nbytes + (0 if beside is None else beside.nbytes)
        return (len(self.packed) + arrays) / 2**20


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


def _known_until(weather: Weather) -> Ints:
    """The last quarter known of each variable and cell, in steps, as far as it is in the days that a base is of."""
    end = weather.window.end // QUARTERS_PER_DAY * QUARTERS_PER_DAY
    known = np.isfinite(np.stack([weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s]))
    last = np.where(known.any(axis=2), weather.window.end - np.argmax(known[..., ::-1], axis=2), 0)
    found: Ints = np.minimum(last, end) // (WEATHER_HOURS * QUARTERS_PER_HOUR)
    return found


def weather_print(weather: Weather, origin: int) -> bytes:
    """What of the weather a base stands for: how old it may be, and what there was at all.

    A base is made anew with newer weather every `WEATHER_HOURS`, and as soon as weather that was
    missing has come (or the other way round), so that a source that issues every few minutes
    does not cost a base each time.
    """
    told = hashlib.sha256(repr((origin // (WEATHER_HOURS * QUARTERS_PER_HOUR), len(weather.latitude))).encode())
    first = max(0, origin - weather.window.first)
    told.update(_known_until(weather).tobytes())
    for values in (weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s):
        ahead = values[:, first : first + QUARTERS_PER_DAY]
        told.update((np.isfinite(ahead).mean(axis=1) >= MOSTLY).tobytes() if ahead.size else b"")
    if weather.stale is not None:
        told.update(weather.stale.tobytes())
    return told.digest()
