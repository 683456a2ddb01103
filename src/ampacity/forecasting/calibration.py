"""Margins learnt from each series' own past errors, and kept true online.

Per series and *band* (the delay of a daily forecast, or the lead of an intraday one) the state holds
the mean size of the error by quarter of the day, a histogram of the errors in units of it for each
side, and how far the exceedance runs ahead of the risk (adaptive conformal inference,
Gibbs & Candès 2021).  All decays are per day, so the state never grows.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.correction import smooth_hours
from ampacity.forecasting.types import Bools, Floats, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

DELAY_BANDS = 3
LEADS = (1, 2, 4, 8, 16)  # quarters from the newest measurement; further out the daily forecast stands
BANDS = DELAY_BANDS + len(LEADS)
BINS = 42
LOWEST, HIGHEST = 0.5, 25.0  # edges of the inner 40 bins, in mean errors
SIZE_HALF_LIFE_D, HISTOGRAM_HALF_LIFE_D = 28.0, 56.0
FLATTENING = 0.85
ADAPTATION = 0.02
SIZE_FLOOR = 0.2
PRIOR_DAYS, PRIOR_SCALE = 3.0, 1.15
LOG_WIDTH = np.log(HIGHEST / LOWEST) / (BINS - 2)
EDGES: Floats = np.concatenate([[0.0], LOWEST * np.exp(LOG_WIDTH * np.arange(BINS - 1)), [2 * HIGHEST]])
UPPER, LOWER = 0, 1


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """State of S series, B bands: float32 arrays."""

    size: Floats32  # (S, B, 96) mean |error| by quarter of the day; 0 before the first day
    days: Floats32  # (S, B) days of errors seen
    histogram: Floats32  # (S, B, 2, 42) decayed counts of errors / size; upper side, lower side
    lean: Floats32  # (S, B, 2) log of the level aimed at over the risk


def new_calibration(series: int) -> Calibration:
    """Nothing seen yet: three days' weight of an exponential tail."""
    tail = 0.5 * np.exp(-EDGES / PRIOR_SCALE)
    tail[0], tail[-1] = 1.0, 0.0
    counts = PRIOR_DAYS * QUARTERS_PER_DAY * -np.diff(tail)
    return Calibration(
        size=np.zeros((series, BANDS, QUARTERS_PER_DAY), np.float32),
        days=np.zeros((series, BANDS), np.float32),
        histogram=np.broadcast_to(counts, (series, BANDS, 2, BINS)).astype(np.float32),
        lean=np.zeros((series, BANDS, 2), np.float32),
    )


def spread(state: Calibration) -> Floats32:
    """The size of an error by quarter of the day, flattened: v^.85 mean(v)^.15, (S, B, 96)."""
    size = np.maximum(smooth_hours(state.size), SIZE_FLOOR * state.size.mean(axis=-1, keepdims=True))
    mean = size.mean(axis=-1, keepdims=True)
    found: Floats32 = np.maximum(size, 1e-6) ** FLATTENING * np.maximum(mean, 1e-6) ** (1 - FLATTENING)
    return found.astype(np.float32)


def tail_quantile(histogram: Floats32, share: Floats) -> Floats32:
    """The value that this share of the histogram exceeds; linear inside a bin.

    Args:
        histogram: counts, (..., 42).
        share: wanted share above, broadcast to (...).
    """
    above = np.cumsum(histogram[..., ::-1], axis=-1, dtype=np.float64)[..., ::-1]
    wanted = np.broadcast_to(share, above.shape[:-1]) * above[..., 0]
    bin_ = np.maximum((above >= wanted[..., None]).sum(axis=-1) - 1, 0)
    at = bin_[..., None]
    top = np.take_along_axis(above, at, axis=-1)[..., 0]
    inside = np.maximum(np.take_along_axis(histogram, at, axis=-1)[..., 0], 1e-9)
    part = np.clip((top - wanted) / inside, 0, 1)
    found: Floats32 = (EDGES[bin_] + part * (EDGES[bin_ + 1] - EDGES[bin_])).astype(np.float32)
    return found


def factors(state: Calibration, level: float, side: int) -> Floats32:
    """How many sizes the quantile lies from the median, (S, B); grows as `level` falls.

    The lean that was learnt at the risk moves every level alike, so that levels never cross.
    """
    share = np.clip(level * np.exp(state.lean[:, :, side].astype(float)), level * 0.03, max(0.45, level))
    return tail_quantile(state.histogram[:, :, side], share)


def learn_errors(
    state: Calibration, error: Floats32, known: Bools, risk: float, bands: slice, size_factor: Floats32 | None = None
) -> Calibration:
    """Take in one day's errors (measured - forecast).

    Args:
        error: (S, B', 96) for the given bands.
        known: (S, B', 96).
        size_factor: what the newest errors said about the size, (S, B', 96).
    """
    use = known.astype(np.float32)
    scale = spread(state)[:, bands]
    factor = np.float32(1) if size_factor is None else size_factor
    seen = state.days[:, bands] > 0
    z = error / np.maximum(scale * factor, 1e-6)
    lean, histogram = state.lean.copy(), state.histogram.copy()
    count = use.sum(axis=-1)
    bins, counted = _bins(np.abs(z)), known & seen[..., None]
    for side, sign in ((UPPER, 1), (LOWER, -1)):
        limit = factors(state, risk, side)[:, bands, None]
        share = ((sign * z > limit) & known).sum(axis=-1) / np.maximum(count, 1)
        step = ADAPTATION * (1 - share / risk) * (count / QUARTERS_PER_DAY)
        lean[:, bands, side] = np.clip(lean[:, bands, side] + np.where(seen, step, 0), np.log(0.03), np.log(20))
        histogram[:, bands, side] = _counted(histogram[:, bands, side], np.where(sign * z > 0, bins, 0), counted)
    size, days = state.size.copy(), state.days.copy()
    absolute = np.abs(error) / factor
    gain = np.maximum(1 - 0.5 ** (1 / SIZE_HALF_LIFE_D), 1 / (days[:, bands] + 1))[..., None]
    size[:, bands] += np.where(known, gain * (absolute - size[:, bands]), 0)
    days[:, bands] += count / QUARTERS_PER_DAY
    return Calibration(size=size, days=days, histogram=histogram, lean=lean)


def _bins(z: Floats32) -> Ints:
    """The bin of each size, 0 to 41."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bins = np.floor(np.log(np.maximum(z, 1e-9) / LOWEST) / LOG_WIDTH).astype(np.int64) + 1
    found: Ints = np.clip(bins, 0, BINS - 1)
    return found


def _counted(histogram: Floats32, bins: Ints, use: Bools) -> Floats32:
    """The histogram a day later, (S, B', 42)."""
    rows = histogram.shape[0] * histogram.shape[1]
    bins = bins + BINS * np.arange(rows).reshape(*histogram.shape[:2], 1)
    counts = np.bincount(bins[use], minlength=rows * BINS).reshape(histogram.shape)
    decay = np.where(use.any(axis=-1), 0.5 ** (1 / HISTOGRAM_HALF_LIFE_D), 1.0)[..., None]
    found: Floats32 = (histogram * decay + counts).astype(np.float32)
    return found
