"""What is learnt each day from the errors of that day: weights of the experts, carry-over, margins."""

from dataclasses import dataclass, replace

import numpy as np

from ampacity.forecasting.calibration import (
    BANDS,
    DELAY_BANDS,
    LEADS,
    SIZE_FLOOR,
    Calibration,
    learn_errors,
    new_calibration,
)
from ampacity.forecasting.correction import smooth_hours
from ampacity.forecasting.types import Bools, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

PARTS = 4  # of the day, each with its own weights
LOSS_HALF_LIFE_D, SHARPNESS, LEARNING_DAYS = 14.0, 5.0, 5.0
CARRY_HALF_LIFE_D, CARRY_SHRINKAGE = 60.0, 1.03
BURST_HALF_LIFE, BURST_RANGE, BURST_POWER, BURST_FADE_H = 16, (0.3, 4.0), 0.5, 4.0


@dataclass(frozen=True, kw_only=True)
class Track:
    """State of S series and I experts; float32."""

    loss: Floats32  # (S, I, 4) decayed mean |error| of each expert by part of the day
    days: Floats32  # (S,) days learnt
    carry: Floats32  # (S, K, 2) decayed sums of products and squares: how much of the newest error remains
    newest: Floats32  # (S, 2, 96) the last day's errors / size, and its one-step errors / their size
    calibration: Calibration


def new_track(series: int, experts: int) -> Track:
    return Track(
        loss=np.zeros((series, experts, PARTS), np.float32),
        days=np.zeros(series, np.float32),
        carry=np.zeros((series, len(LEADS), 2), np.float32),
        newest=np.zeros((series, 2, QUARTERS_PER_DAY), np.float32),
        calibration=new_calibration(series),
    )


def track_of(track: Track, rows: Ints) -> Track:
    """The state of some series."""
    state = Calibration(**{name: value[rows] for name, value in vars(track.calibration).items()})
    arrays = {name: value[rows] for name, value in vars(track).items() if name != "calibration"}
    return Track(calibration=state, **arrays)


def rescaled(track: Track, factor: Floats32) -> Track:
    """The state in units that are 1 / factor as large, (S,)."""
    calibration = replace(track.calibration, size=track.calibration.size * factor[:, None, None])
    return replace(track, loss=track.loss * factor[:, None, None], calibration=calibration)


def weights(track: Track, shares: Floats32) -> Floats32:
    """Weight of each expert by part of the day, (S, I, 4): share exp(5 - 5 loss / least), at first the share.

    Args:
        shares: of each expert among equals, (I,); 0 for one that is not asked.
    """
    least = track.loss[:, shares > 0].min(axis=1, keepdims=True)
    worse = track.loss / np.maximum(least, 1e-9) - 1
    worse *= (track.days >= LEARNING_DAYS)[:, None, None]
    raw = np.exp(-SHARPNESS * np.minimum(worse, 20)) * shares[:, None]
    found: Floats32 = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def mix(track: Track, forecasts: Floats32, shares: Floats32) -> Floats32:
    """The weighted mean of the experts, by their shares among equals (I,).

    Args:
        forecasts: (I, S, ..., 96).

    Returns:
        (S, ..., 96).
    """
    by_part = np.repeat(weights(track, shares), QUARTERS_PER_DAY // PARTS, axis=2).transpose(1, 0, 2)
    shape = by_part.shape[:2] + (1,) * (forecasts.ndim - 3) + by_part.shape[2:]
    found: Floats32 = (by_part.reshape(shape) * forecasts).sum(axis=0)
    return found


def error_size(track: Track) -> Floats32:
    """V: mean |error| of the daily forecast by quarter of the day, (S, 96)."""
    size = smooth_hours(track.calibration.size[:, 0])
    found: Floats32 = np.maximum(size, SIZE_FLOOR * size.mean(axis=1, keepdims=True) + 1e-6)
    return found


def carry_over(track: Track) -> Floats32:
    """Share of the newest error / V that remains after each of LEADS, (S, K), 0 to 1."""
    found: Floats32 = track.carry[..., 0] / (CARRY_SHRINKAGE * track.carry[..., 1] + 1e-3)
    return np.clip(found, 0, 1)


def burst(one_step: Floats32, lead_quarters: Floats32) -> Floats32:
    """How far the newest errors are above their usual size, as a factor on the margin.

    Args:
        one_step: |one-step error| / its size, the day before and the day, (S, 192).
        lead_quarters: (n,) of the leads asked for.

    Returns:
        (S, n, 192): the factor for an origin just after each quarter.
    """
    gain = 1 - 0.5 ** (1 / BURST_HALF_LIFE)
    at = np.arange(one_step.shape[1])
    age = at[None, :] - at[:, None]
    kernel = np.where(age >= 0, gain * (1 - gain) ** np.maximum(age, 0), 0).astype(np.float32)
    kernel /= np.maximum(kernel.sum(axis=0), 1e-9)
    level = np.clip(one_step @ kernel, *BURST_RANGE)
    power = BURST_POWER * np.exp(-lead_quarters / QUARTERS_PER_HOUR / BURST_FADE_H)
    found: Floats32 = (level[:, None, :] ** power[None, :, None]).astype(np.float32)
    return found


def learn_day(track: Track, forecasts: Floats32, y: Floats32, known: Bools, *, risk: float, shares: Floats32) -> Track:
    """Take in a day that is over.

    Args:
        forecasts: what each expert had said of the day, by delay, (I, 3, S, 96).
        y: what came, (S, 96).
        known: where it is known.
        risk: share of quarters in which the upper quantile may be exceeded.
        shares: of the experts among equals at each delay, (3, I).
    """
    daily = np.stack([mix(track, forecasts[:, delay], shares[delay]) for delay in range(DELAY_BANDS)], axis=1)
    size = error_size(track)
    started = (track.days > 0)[:, None]
    carried = np.where(started & known, (y - daily[:, 0]) / size, np.float32(0)).astype(np.float32)
    intraday, pairs = _intraday(track, daily, carried, size)
    error = y[:, None] - np.concatenate([daily, intraday], axis=1)
    one_step = _relative_one_step(track, error[:, DELAY_BANDS], known & started)
    factor = _burst_factors(track, one_step)
    seen = np.broadcast_to(known[:, None], error.shape)
    return Track(
        loss=_learn_loss(track, forecasts[:, 0], y, known),
        days=track.days + known.mean(axis=1).astype(np.float32),
        carry=_learn_carry(track, pairs, (y[:, None] - pairs[1]) / size[:, None], known & started),
        newest=np.stack([carried, one_step], axis=1),
        calibration=learn_errors(track.calibration, error, seen, risk, slice(0, BANDS), factor),
    )


def _intraday(
    track: Track, daily: Floats32, carried: Floats32, size: Floats32
) -> tuple[Floats32, tuple[Floats32, Floats32]]:
    """Forecast of each quarter at each lead (S, K, 96), and the (newest error, base) pairs they rest on."""
    both = np.concatenate([track.newest[:, 0], carried], axis=1)
    n = QUARTERS_PER_DAY
    newest = np.stack([both[:, n - lead : 2 * n - lead] for lead in LEADS], axis=1)
    at = np.arange(n)
    base = np.stack([np.where(at < lead, daily[:, 1], daily[:, 0]) for lead in LEADS], axis=1)
    return base + size[:, None] * carry_over(track)[..., None] * newest, (newest, base)


def _relative_one_step(track: Track, error: Floats32, known: Bools) -> Floats32:
    size = smooth_hours(track.calibration.size[:, DELAY_BANDS])
    floor = np.maximum(size, SIZE_FLOOR * size.mean(axis=1, keepdims=True) + 1e-6)
    found: Floats32 = np.where(known & (track.days > 1)[:, None], np.abs(error) / floor, 1).astype(np.float32)
    return found


def _burst_factors(track: Track, one_step: Floats32) -> Floats32:
    """Factor on the size of each band's error, (S, B, 96): 1 for daily forecasts."""
    before = np.where(track.days[:, None] > 0, track.newest[:, 1], 1)
    levels = burst(np.concatenate([before, one_step], axis=1), np.array(LEADS, np.float32))
    factor = np.ones((len(one_step), BANDS, QUARTERS_PER_DAY), np.float32)
    n = QUARTERS_PER_DAY
    for i, lead in enumerate(LEADS):
        factor[:, DELAY_BANDS + i] = levels[:, i, n - lead : 2 * n - lead]
    return factor


def _learn_loss(track: Track, forecasts: Floats32, y: Floats32, known: Bools) -> Floats32:
    absolute = np.where(known, np.abs(forecasts - y), 0).reshape(*forecasts.shape[:2], PARTS, -1).sum(axis=-1)
    count = known.reshape(len(y), PARTS, -1).sum(axis=-1)
    today = (absolute / np.maximum(count, 1)).transpose(1, 0, 2)
    gain = np.maximum(1 - 0.5 ** (1 / LOSS_HALF_LIFE_D), 1 / (track.days + 1))[:, None, None]
    found: Floats32 = (track.loss + np.where(count[:, None] > 0, gain * (today - track.loss), 0)).astype(np.float32)
    return found


def _learn_carry(track: Track, pairs: tuple[Floats32, Floats32], error: Floats32, known: Bools) -> Floats32:
    newest = pairs[0]
    use = known[:, None]
    limited = np.clip(error, -6, 6)
    sums = np.stack(
        [np.where(use, limited * newest, 0).sum(axis=-1), np.where(use, newest * newest, 0).sum(axis=-1)], axis=-1
    )
    found: Floats32 = (track.carry * 0.5 ** (1 / CARRY_HALF_LIFE_D) + sums).astype(np.float32)
    return found
