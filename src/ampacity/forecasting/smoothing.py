"""What the regression leaves over, followed from day to day for each quarter of the day."""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.types import Bools, Floats32, Ints

DELAYS = 3  # today, tomorrow, the day after


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


def follow(
    smoother: Smoother, state: SmoothState, residual: Floats32, known: Bools, day_class: Ints, keep_day: int
) -> tuple[Floats32, SmoothState]:
    """Forecast each day's residual from those before it.

    e = R[d] - (level + profile[class]); level += a e; profile[class] += g e.  Unknown quarters change nothing.

    Args:
        residual: (S, D, 96).
        day_class: (D, 96).
        keep_day: index of the day before which the returned state stands.

    Returns:
        Forecasts (3, S, D, 96): from all days before, without the last day, without the last two; the state kept.
    """
    level, profile = state.level.copy(), state.profile.copy()
    past: list[tuple[Floats32, Floats32]] = []
    forecasts = np.empty((DELAYS, *residual.shape), np.float32)
    flat = not any(smoother.profile_gains)
    kept = state
    for d in range(residual.shape[1]):
        if d == keep_day:
            kept = SmoothState(level=level.copy(), profile=profile.copy())
        past = [(level.copy(), profile if flat else profile.copy()), *past[: DELAYS - 1]]
        for delay in range(DELAYS):
            before, shape = past[min(delay, len(past) - 1)]
            forecasts[delay, :, d] = before if flat else before + _of_class(shape, day_class[d])
        error = np.where(known[:, d], residual[:, d] - forecasts[0, :, d], np.float32(0))
        level += np.float32(smoother.level_gain) * error
        if not flat:
            _learn_profile(profile, error, day_class[d], smoother)
    return forecasts, kept


def _of_class(profile: Floats32, day_class: Ints) -> Floats32:
    if (day_class == day_class[0]).all():
        return profile[:, day_class[0]]
    found: Floats32 = profile[:, day_class, np.arange(profile.shape[2])]
    return found


def _learn_profile(profile: Floats32, error: Floats32, day_class: Ints, smoother: Smoother) -> None:
    for kind in np.unique(day_class):
        inside = day_class == kind
        profile[:, kind, inside] += np.float32(smoother.profile_gains[kind]) * error[:, inside]
