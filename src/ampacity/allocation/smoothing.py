"""Steadiness: what was said is kept where that is safe, so that chargers need not hunt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation.forest import Bools, Floats, Ints
from ampacity.allocation.loading import anywhere_upstream, overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How steady; every rule holds upward only, but for the frozen quarters."""

    frozen_quarters: int = 2  # blocks that start so soon change only for safety or by a grant
    dead_band_fraction: float = 0.02  # smaller rises are not sent
    rise_fraction: float = 0.2  # of the contract, the most a block may rise in a round
    cushion_fraction: float = 0.0  # where a block falls all blocks stay so far below, so that the next falls fit in


def smooth(
    new_w: Floats,
    previous_w: Floats,
    *,
    headroom_w: NDArray[np.floating],
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    contracted_w: Floats,
    one_ampere_w: Floats,
    granted_w: Floats | None = None,
    firm_w: Floats | None = None,
    falls: Bools | None = None,
    rules: Smoothing = Smoothing(),
) -> Floats:
    """The allocation to publish [W], shape (G, T): the previous one where it may stay, else the new one.

    Falls pass at once and unlimited; a group of which any block falls keeps all of them
    a cushion below the new ones, firm parts apart, so that the falls of the next rounds
    change nothing.  Rises below max(dead band, 1 A) stay out, larger
    ones are limited per round.  Near blocks keep what was said; only where the grid
    cannot carry it any more, all behind that element fall to their new share.  What was
    granted on request passes everywhere.  The result never loads an element beyond its
    headroom where the new allocation does not.

    Args:
        new_w: From this cycle, feasible, shape (G, T) [W].
        previous_w: Last published for the same quarters; NaN where there was nothing.
        headroom_w: Of this cycle [W], shape (E, P, T).
        parent, element, phase_share: As in `allocate`.
        contracted_w: Shape (G,) [W].
        one_ampere_w: What 1 A on all its phases is for each group, shape (G,) [W].
        granted_w: Totals granted on request that hold now [W], shape (G, T); NaN or 0 where there is none.
        firm_w: Firm parts, shape (G,) [W], which no cushion goes below.
        falls: Which groups fall in any quarter, shape (G,), where these are not all of their quarters.
        rules: The numbers.
    """
    granted = np.zeros_like(new_w) if granted_w is None else np.nan_to_num(granted_w, nan=0.0)
    before = np.where(np.isnan(previous_w), new_w, previous_w)
    dead_band = np.maximum(rules.dead_band_fraction * before, one_ampere_w[:, None])
    limited = np.minimum(new_w, before + rules.rise_fraction * contracted_w[:, None])
    calm = np.minimum(np.where(new_w - before < dead_band, before, limited), new_w)
    lower = np.flatnonzero(_falling(new_w, previous_w) if falls is None else falls)
    calm[lower] = np.minimum(calm[lower], _cushioned(new_w[lower], None if firm_w is None else firm_w[lower], rules))
    near = slice(0, rules.frozen_quarters)
    calm[:, near] = before[:, near]
    calm = np.maximum(calm, np.minimum(granted, new_w))
    over = overloaded(calm, headroom_w, parent, element, phase_share)
    if not over.any():
        return calm
    unsafe = anywhere_upstream(over, parent, element, phase_share)
    smoothed: Floats = np.where(unsafe, np.minimum(calm, new_w), calm)
    return smoothed


def _falling(new_w: NDArray[np.floating], previous_w: Floats) -> Bools:
    """Groups of which any block falls, shape (G,), by the new and the last published allocation, shape (G, T) [W]."""
    falls: Bools = np.logical_or.reduce(new_w < previous_w, axis=1)
    return falls


def _cushioned(new_w: Floats, firm_w: Floats | None, rules: Smoothing) -> Floats:
    """A little below the new allocation, but for what is firm."""
    lower_w = (1.0 - rules.cushion_fraction) * np.maximum(new_w, 0.0)
    if firm_w is None:
        return lower_w
    return np.where(new_w >= firm_w[:, None], np.maximum(lower_w, firm_w[:, None]), lower_w)


def steady_wish(
    new_w: Floats,
    previous_w: NDArray[np.floating],
    capacity_w: Floats,
    one_ampere_w: Floats,
    rules: Smoothing = Smoothing(),
) -> Floats:
    """The preferred draw to publish [W], shape (G, T): a group's previous one as long as it says much the same.

    A wish is no limit, so it stays while every block is within max(dead band, 1 A) of the
    new one and within the capacity; otherwise all of the group's blocks are new, so that
    they add up to its need.

    Args:
        new_w: From this cycle, shape (G, T) [W].
        previous_w: Last published for the same quarters; NaN where there was nothing.
        capacity_w: What the groups may use now, shape (G, T) [W].
        one_ampere_w: As in `smooth`.
        rules: The numbers.
    """
    before = np.where(np.isnan(previous_w), new_w, previous_w)
    dead_band = np.maximum(rules.dead_band_fraction * before, one_ampere_w[:, None])
    much_the_same: Bools = (np.abs(new_w - before) < dead_band) & (before <= capacity_w)
    stays: Bools = np.logical_and.reduce(much_the_same, axis=1, keepdims=True)
    wish_w: Floats = np.where(stays, before, new_w)
    return wish_w


def revisions_per_block(published_w: Floats, at_least_w: float = 1.0) -> float:
    """How often a block's capacity changed between rounds, the mean over blocks.

    Args:
        published_w: What each round said about the same quarters [W], shape (rounds, G, T); NaN before it was said.
        at_least_w: Smaller changes do not count.
    """
    change = np.abs(np.diff(published_w, axis=0))
    blocks = (~np.isnan(published_w)).any(axis=0).sum()
    return float((change >= at_least_w).sum() / max(int(blocks), 1))


def total_variation_w(series_w: Floats) -> float:
    """Sum of the changes from round to round [W] of values (rounds, ...); NaN is left out."""
    return float(np.nansum(np.abs(np.diff(series_w, axis=0))))
