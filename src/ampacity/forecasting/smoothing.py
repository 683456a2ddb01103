"""What the regression leaves over, followed from day to day for each quarter of the day."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ampacity.forecasting.types import Bools, Floats32, Ints


@dataclass(frozen=True, kw_only=True)
class Smoother:
    """How fast the level and the profile per class of day follow the newest residual."""

    level_gain: float
    profile_gains: tuple[float, float, float]  # working day, Saturday, Sunday or holiday


@dataclass(frozen=True, kw_only=True)
class SmoothState:
    """Level (S, 96) and profile per class of day (S, 3, 96) before a day."""

    level: Floats32
    profile: Floats32


def start_state(residual: Floats32, known: Bools) -> SmoothState:
    """The mean of the first three days."""
    use = known[:, :3]
    total = np.where(use, residual[:, :3], 0).sum(axis=1)
    level = (total / np.maximum(use.sum(axis=1), 1)).astype(np.float32)
    return SmoothState(level=level, profile=np.zeros((len(level), 3, level.shape[1]), np.float32))


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Forecasts of the residual, and the state that was asked for."""

    each_day: Floats32  # (S, D, 96) from all days before
    asked: Floats32  # (S, n, 96) of the days asked for, with their delays
    kept: SmoothState


def follow(
    smoother: Smoother,
    state: SmoothState,
    residual: Floats32,
    known: Bools,
    day_class: Ints,
    *,
    asked: tuple[Ints, Ints],
    keep_day: int = 0,
) -> Followed:
    """Forecast each day's residual from those before it.

    e = R[d] - (level + profile[class]); level += a e; profile[class] += g e.  Unknown quarters change nothing.

    Args:
        residual: (S, D, 96).
        day_class: (D, 96).
        asked: days (n,) by index and delays (n,): as forecast without the last so many days before each.
        keep_day: index of the day before which the kept state stands.
    """
    level, profile = state.level.copy(), state.profile.copy()
    parts = _parts(day_class) if any(smoother.profile_gains) else [[]] * len(day_class)
    each_day = np.empty(residual.shape, np.float32)
    late = np.empty((len(residual), len(asked[0]), residual.shape[2]), np.float32)
    due = _positions_by_day(np.maximum(asked[0] - asked[1], 0), residual.shape[1])
    all_known = np.asarray(known.all(axis=(0, 2)))
    kept = state
    for d in range(residual.shape[1]):
        if d == keep_day:
            kept = SmoothState(level=level.copy(), profile=profile.copy())
        for i in due[d]:
            _forecast_day(level, profile, parts[asked[0][i]], late[:, i])
        _forecast_day(level, profile, parts[d], each_day[:, d])
        error = residual[:, d] - each_day[:, d]
        if not all_known[d]:
            error[~known[:, d]] = 0
        for kind, quarters in parts[d]:
            profile[:, kind, quarters] += np.float32(smoother.profile_gains[kind]) * error[:, quarters]
        error *= np.float32(smoother.level_gain)
        level += error
    return Followed(each_day=each_day, asked=late, kept=kept)


def _positions_by_day(day: Ints, days: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(days)]
    for position, d in enumerate(day.tolist()):
        found[d].append(position)
    return found


_Parts = list[tuple[int, slice]]


def _parts(day_class: Ints) -> list[_Parts]:
    """Classes of each day's quarters, and the quarters of each: local midnight may lie inside."""
    change = day_class[:, 1:] != day_class[:, :-1]
    found: list[_Parts] = [[(kind, slice(None))] for kind in day_class[:, 0].tolist()]
    for d in np.flatnonzero(change.any(axis=1)):
        edges = [0, *(np.flatnonzero(change[d]) + 1).tolist(), day_class.shape[1]]
        found[d] = [(int(day_class[d, begin]), slice(begin, end)) for begin, end in pairwise(edges)]
    return found


def _forecast_day(level: Floats32, profile: Floats32, parts: _Parts, out: Floats32) -> None:
    if not parts:
        out[:] = level
    for kind, quarters in parts:
        np.add(level[:, quarters], profile[:, kind, quarters], out=out[:, quarters])
