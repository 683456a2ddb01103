"""Rows of weather as a source gives them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.datetime64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeatherBatch:
    """A row for each place, time and issue, arrays of shape (R,); radiation is the mean of the interval before."""

    available_at: Moments
    valid_at: Moments
    latitude: Floats
    longitude: Floats
    temperature_c: Floats
    global_radiation_w_m2: Floats
    wind_speed_m_s: Floats

    def __len__(self) -> int:
        return len(self.valid_at)

    @classmethod
    def joined(cls, batches: Sequence["WeatherBatch"]) -> "WeatherBatch":
        """All rows of several batches, at least one."""
        return cls(**{f.name: np.concatenate([getattr(b, f.name) for b in batches]) for f in fields(cls)})
