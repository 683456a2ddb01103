"""What was learnt of a block of elements, as arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from ampacity.forecasting.calibration import Calibration
from ampacity.forecasting.clock import ClockMoves
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.prior import Prior
from ampacity.forecasting.tracking import Track, new_track
from ampacity.forecasting.types import (
    Floats32,
    ForecastSettings,
    Ints,
)

CHUNK = 64  # series worked on at once: their arrays fit the cache
RECENT_DAYS = 30  # before a forecast that experts look at: four weeks of the same weekday


@dataclass(frozen=True, kw_only=True)
class ForecastModel:
    """What was learnt of a block of E elements; S of its series (element × phase) have a model of their own."""

    settings: ForecastSettings
    end_day: int  # the training ended before this day
    learnt_day: int  # the errors of the days before it are in the track
    source: Ints  # (E, 3) ForecastSource
    element: Ints  # (S,)
    phase: Ints  # (S,)
    scale_w: Floats32  # (S,)
    cell: Ints  # (S,) weather cell, -1 for none
    group: Ints  # (S,) which of the shared arrays
    experts: Mapping[str, Fitted]  # shared arrays are stacked by group
    track: Track
    prior: Prior
    clock: ClockMoves
    weather_free: "ForecastModel | None" = None  # of those series that this one forecasts from weather


def chunks_of(model: ForecastModel, together: int = CHUNK) -> Iterator[Ints]:
    """The model's series by the arrays they share, so many together."""
    for group in np.unique(model.group):
        inside = np.flatnonzero(model.group == group)
        for at in range(0, len(inside), together):
            yield inside[at : at + together]


def fitted_of(model: ForecastModel, rows: Ints) -> dict[str, Fitted]:
    """What each expert learnt of some series that share their arrays."""
    group = int(model.group[rows[0]])
    return {
        name: Fitted(
            series={key: value[rows] for key, value in fitted.series.items()},
            shared={key: value[group] for key, value in fitted.shared.items()},
            end_day=fitted.end_day,
        )
        for name, fitted in model.experts.items()
    }


def gathered_track(parts: list[Track], back: Ints, experts: int) -> Track:
    if not parts:
        return new_track(0, experts)
    state = {f.name: np.concatenate([getattr(p.calibration, f.name) for p in parts])[back] for f in fields(Calibration)}
    arrays = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts])[back]
        for f in fields(Track)
        if f.name != "calibration"
    }
    return Track(calibration=Calibration(**state), **arrays)
