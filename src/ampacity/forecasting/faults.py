"""What meters do wrong, found and marked: spikes, frozen values, days with the wrong sign; and levels that shifted.

Marked values are left out of fitting and of the newest errors.  A load that merely rises is none of these:
a spike is an isolated run beyond three times the usual range, and is gone within an hour.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting.types import Bools, Floats, Floats32, Ints, LoadHistory
from ampacity.forecasting.workers import on_threads
from ampacity.timegrid import QUARTERS_PER_DAY

SPIKE_RANGES, SPIKE_QUARTERS = 3.0, 4
FROZEN_QUARTERS = 24
RARE = 0.25  # a series that holds its value more often is not frozen, it is like that
SHIFT_SIGMAS, SHIFT_DAYS = 6.0, 3
SAMPLE = 3  # every so many values are looked at for a range
TOGETHER = 20  # elements looked at together: their arrays fit the cache


class FaultKind(IntEnum):
    """Why a value is left out."""

    NONE = 0
    SPIKE = 1
    FROZEN = 2
    SIGN = 3


def find_faults(load_w: Floats32) -> NDArray[np.int8]:
    """The kind of fault of each value, int8 like `load_w` (..., T)."""
    flat = load_w.reshape(int(np.prod(load_w.shape[:-1])), load_w.shape[-1])
    marks = np.zeros(flat.shape, np.int8)
    if flat.size:
        middle, width = usual_range(flat)
        marks[_frozen(flat, width)] = FaultKind.FROZEN
        marks[_sign_flipped(flat)] = FaultKind.SIGN
        marks[_spikes(flat, middle, width)] = FaultKind.SPIKE
    return marks.reshape(load_w.shape)


def without_faults(history: LoadHistory, workers: int = 1) -> LoadHistory:
    """The history with its faults as unknown values."""
    marks = on_threads(
        lambda at: (at, find_faults(history.load_w[at : at + TOGETHER])),
        range(0, len(history.load_w), TOGETHER),
        workers,
    )
    if not any(found.any() for _, found in marks):
        return history
    load_w = history.load_w.copy()
    for at, found in marks:
        load_w[at : at + TOGETHER][found > 0] = np.nan
    return LoadHistory(window=history.window, load_w=load_w)


def usual_range(load_w: Floats32) -> tuple[Floats, Floats]:
    """Median and P98 - P2 of each series (S, 1); NaN where nothing is known."""
    sample = np.sort(load_w[:, ::SAMPLE], axis=1)  # NaN last
    known = np.isfinite(sample).sum(axis=1)
    rows = np.arange(len(sample))
    low, middle, high = (
        sample[rows, np.clip((share * (known - 1)).astype(np.int64), 0, None)] for share in (0.02, 0.5, 0.98)
    )
    return middle[:, None], (high - low)[:, None]


def _spikes(load_w: Floats32, middle: Floats, width: Floats) -> Bools:
    """Runs of at most an hour further from the median than three times the range."""
    usual = np.maximum(width, 0.05 * np.abs(middle) + 1e-6)
    distance = np.abs(load_w - middle)
    far: Bools = distance > SPIKE_RANGES * usual
    if not far.any():
        return far
    return far & (_run_length(distance > usual) <= SPIKE_QUARTERS)


def _frozen(load_w: Floats32, width: Floats) -> Bools:
    """Runs of six hours and more of exactly one value, where that is rare: not at night, every night."""
    same = np.zeros(load_w.shape, bool)
    same[:, 1:] = load_w[:, 1:] == load_w[:, :-1]
    if not _has_run(same, FROZEN_QUARTERS - 1):
        return np.zeros(load_w.shape, bool)
    known = np.maximum(np.isfinite(load_w).sum(axis=1, keepdims=True), 1)
    long = same & (_run_length(same) >= FROZEN_QUARTERS - 1)
    runs = (long[:, 1:] & ~long[:, :-1]).sum(axis=1, keepdims=True)
    rare = (long.sum(axis=1, keepdims=True) < RARE * known) & (
        runs * QUARTERS_PER_DAY <= RARE * known + QUARTERS_PER_DAY
    )
    found: Bools = long & rare & (width > 0)
    found[:, :-1] |= found[:, 1:]
    return found


def _sign_flipped(load_w: Floats32) -> Bools:
    """Whole days that fit the mean day far better with the opposite sign."""
    days = load_w.shape[1] // QUARTERS_PER_DAY
    found = np.zeros(load_w.shape, bool)
    if days < 7:
        return found
    by_day = load_w[:, : days * QUARTERS_PER_DAY].reshape(len(load_w), days, QUARTERS_PER_DAY)
    known = np.isfinite(by_day)
    value = np.where(known, by_day, 0)
    profile = value.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    as_is = np.where(known, np.abs(value - profile[:, None]), 0).mean(axis=2)
    turned = np.where(known, np.abs(value + profile[:, None]), 0).mean(axis=2)
    one_sided = np.abs(profile.mean(axis=1)) > 0.5 * np.abs(profile).mean(axis=1)
    wrong = (turned < 0.3 * as_is) & one_sided[:, None]
    wrong &= (wrong.mean(axis=1) < 0.3)[:, None]
    found[:, : days * QUARTERS_PER_DAY] = np.repeat(wrong, QUARTERS_PER_DAY, axis=1)
    return found


def _has_run(hit: Bools, length: int) -> bool:
    """Whether any row has so many hits in a row."""
    reach = 1
    while reach < length and hit.shape[1] > 0:
        step = min(reach, length - reach)
        hit, reach = hit[:, step:] & hit[:, :-step], reach + step
    return bool(hit.any())


def _run_length(hit: Bools) -> Ints:
    """Length of the run of hits that each hit lies in; 0 elsewhere."""
    count = hit.shape[1]
    at = np.arange(count, dtype=np.int32)
    before = np.maximum.accumulate(np.where(hit, np.int32(-1), at), axis=1)
    after = np.minimum.accumulate(np.where(hit, np.int32(count), at)[:, ::-1], axis=1)[:, ::-1]
    return np.where(hit, after - before - 1, 0)


def level_shift(daily_mean: Floats) -> tuple[Ints, Floats]:
    """The newest lasting jump of each series' daily mean: the day it began (0: none) and its size.

    A jump lasts at least three days and is six times as large as a day usually differs from a week before.

    Args:
        daily_mean: (S, D), NaN unknown.
    """
    series, days = daily_mean.shape
    day, size = np.zeros(series, np.int64), np.zeros(series)
    if days < 4 * SHIFT_DAYS + 14:
        return day, size
    usual = np.nan_to_num(_median_change(daily_mean)) + 1e-9
    for d in range(days - SHIFT_DAYS, 14, -1):
        after = np.nan_to_num(_means(daily_mean[:, d : d + 7]))
        before = np.nan_to_num(_means(daily_mean[:, d - 7 : d]))
        jump = after - before
        edge = np.nan_to_num(daily_mean[:, d] - daily_mean[:, d - 1])
        sharp = (np.abs(jump) > SHIFT_SIGMAS * usual) & (np.sign(edge) == np.sign(jump))
        sharp &= np.abs(edge) > 0.6 * np.abs(jump)
        new = sharp & (day == 0)
        day[new], size[new] = d, jump[new]
    return day, size


def _means(values: Floats) -> Floats:
    known = np.isfinite(values)
    found: Floats = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return found


def _median_change(daily_mean: Floats) -> Floats:
    """Median of how much a day differs from that of a week before, (S,)."""
    change = np.abs(daily_mean[:, 7:] - daily_mean[:, :-7])
    change = np.sort(change, axis=1)
    known = np.isfinite(change).sum(axis=1)
    found: Floats = change[np.arange(len(change)), np.maximum(known - 1, 0) // 2]
    return found
