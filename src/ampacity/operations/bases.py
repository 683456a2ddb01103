"""The forecast of the day that cycles rest on: made once for some hours, and kept.

A base serves from one *mark* of the day to the next: the day's start, an hour later (when all of
the day before is known), and every six hours.  It is stored as soon as it is made; every cycle of
these hours rests on the stored one, whichever server runs it and whenever that was started.  What
a cycle adds by itself are the newest measurements.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import DailyForecast, ForecastModel, Outline, Weather
from ampacity.ports import Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window

LARGEST_MIB = 4096.0  # of all bases in memory, some 350,000 elements; those of blocks beyond are read in each cycle
ALIGNED = 64  # bytes at a multiple of which each array begins
WEATHER_HOURS = 6
MOSTLY = 0.9  # of the next day's weather is known: the rest is filled in
LATE = QUARTERS_PER_HOUR  # after the start of the day the last quarters of the day before are in


def period_of(origin: int, day_start_quarter: int, delay_quarters: int) -> Window:
    """The quarters for which the base of a quarter serves: from a mark to the next one.

    >>> [period_of(q, 0, 0) for q in (0, 5, 95)]
    [Window(first=0, count=4), Window(first=4, count=20), Window(first=72, count=24)]
    """
    step = WEATHER_HOURS * QUARTERS_PER_HOUR
    marks = sorted({LATE + delay_quarters, *range(0, QUARTERS_PER_DAY + step, step)})
    start = (origin - day_start_quarter) // QUARTERS_PER_DAY * QUARTERS_PER_DAY + day_start_quarter
    mark = max(m for m in marks if start + m <= origin)
    end = min(m for m in marks if m > mark)
    return Window(start + mark, min(end, QUARTERS_PER_DAY) - mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base of a block: its daily forecast, and what predictions need of the model that made it."""

    daily: DailyForecast
    outline: Outline

    @classmethod
    def of(cls, model: ForecastModel, daily: DailyForecast) -> "Base":
        return cls(daily=daily, outline=Outline.of(model, daily))

    @property
    def mib(self) -> float:
        beside, lacks = self.daily.weather_free, self.daily.lacks
        arrays = self.daily.load.nbytes + (lacks.nbytes if any(lacks.strides) else 0)
        return (self.outline.nbytes + arrays + (0 if beside is None else beside.nbytes)) / 2**20

    def to_keep(self) -> "Base":
        """The same in memory of its own, which goes back to the system as a whole when a newer one takes its place.

        Where all the weather is there, as it is most often, that is said once.
        """
        daily, outline = self.daily, self.outline
        lacks = daily.lacks if daily.lacks.any() else np.broadcast_to(np.False_, daily.lacks.shape)
        learnt = [part for part in (outline.learnt, outline.weather_free) if part is not None]
        arrays = [daily.load, *(() if daily.weather_free is None else (daily.weather_free,))]
        arrays += [values for part in learnt for values in vars(part).values()]
        apart = iter(_apart(arrays))
        daily = replace(
            daily, load=next(apart), lacks=lacks, weather_free=None if daily.weather_free is None else next(apart)
        )
        kept = [replace(part, **{name: next(apart) for name in vars(part)}) for part in learnt]
        return Base(daily=daily, outline=replace(outline, learnt=kept[0], weather_free=kept[1] if kept[1:] else None))


def _apart(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Copies of arrays in one piece of memory, beside all that is used and freed meanwhile."""
    starts = np.cumsum([0, *(-(-a.nbytes // ALIGNED) * ALIGNED for a in arrays)]).tolist()
    piece = mmap(-1, max(starts[-1], ALIGNED))
    found = []
    for start, values in zip(starts, arrays, strict=False):
        copy = np.frombuffer(piece, values.dtype, values.size, start).reshape(values.shape)
        copy[...] = values
        found.append(copy)
    return found


@dataclass
class Bases:
    """Bases in memory, one of each block by the number of its first element, up to a size."""

    largest_mib: float = LARGEST_MIB
    used: int = 0  # how often one was at hand
    made: int = 0  # how often one had to be made
    correlations: dict[int, tuple[int, float]] = field(default_factory=dict)  # by parent: day, how alike
    _kept: "OrderedDict[int, tuple[int, Base]]" = field(default_factory=OrderedDict)
    _mib: float = 0.0

    def at_hand(self, first_no: int, base_id: int) -> Base | None:
        """The base of that number, if it is in memory."""
        kept_id, base = self._kept.get(first_no, (None, None))
        if kept_id != base_id:
            return None
        self.used += 1
        return base

    def keep(self, first_no: int, base_id: int, base: Base) -> None:
        """Keep a stored base in place of an older one of the block, if there is room."""
        base = base.to_keep()
        _, old = self._kept.pop(first_no, (0, None))
        self._mib -= old.mib if old else 0.0
        if self._mib + base.mib <= self.largest_mib:
            self._kept[first_no] = base_id, base
            self._mib += base.mib


def _known_until(weather: Weather, end: int) -> Ints:
    """The last quarter known of each variable and cell, in steps, as far as a base needs it."""
    known = np.isfinite(np.stack([weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s]))
    last = np.where(known.any(axis=2), weather.window.end - np.argmax(known[..., ::-1], axis=2), 0)
    found: Ints = np.minimum(last, end) // (WEATHER_HOURS * QUARTERS_PER_HOUR)
    return found


def weather_print(weather: Weather, origin: int, end: int) -> bytes:
    """Which weather there is at all for the coming day, and how far towards the quarter `end` it reaches.

    Another base is made as soon as weather that was missing has come, or the other way round; what
    newer issues say of weather that was there waits for the next mark.
    """
    told = hashlib.sha256(repr(len(weather.latitude)).encode())
    first = max(0, origin - weather.window.first)
    told.update(_known_until(weather, end).tobytes())
    for values in (weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s):
        ahead = values[:, first : first + QUARTERS_PER_DAY]
        told.update((np.isfinite(ahead).mean(axis=1) >= MOSTLY).tobytes() if ahead.size else b"")
    if weather.stale is not None:
        told.update(weather.stale.tobytes())
    return told.digest()
