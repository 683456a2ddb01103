"""Steadiness: what was said is kept where that is safe, so that chargers need not hunt."""

from dataclasses import dataclass

import numpy as np

from ampacity.allocation.forest import Floats, Ints
from ampacity.allocation.loading import TOLERANCE_W, anywhere_upstream, element_load_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How steady; every rule holds upward only, but for the frozen quarters."""

    frozen_quarters: int = 2  # blocks that start so soon change only for safety or by a grant
    dead_band_fraction: float = 0.02  # smaller rises are not sent
    rise_fraction: float = 0.2  # of the contract, the most a block may rise in a round


def smooth(
    new_w: Floats,
    previous_w: Floats,
    *,
    headroom_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    contracted_w: Floats,
    one_ampere_w: Floats,
    granted_w: Floats | None = None,
    rules: Smoothing = Smoothing(),
) -> Floats:
    """The allocation to publish [W], shape (G, T): the previous one where it may stay, else the new one.

    Falls pass at once and unlimited.  Rises below max(dead band, 1 A) stay out, larger
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
        rules: The numbers.
    """
    granted = np.zeros_like(new_w) if granted_w is None else np.nan_to_num(granted_w, nan=0.0)
    before = np.where(np.isnan(previous_w), new_w, previous_w)
    dead_band = np.maximum(rules.dead_band_fraction * before, one_ampere_w[:, None])
    limited = np.minimum(new_w, before + rules.rise_fraction * contracted_w[:, None])
    calm = np.where(new_w - before < dead_band, np.minimum(new_w, before), limited)
    near = slice(0, rules.frozen_quarters)
    calm[:, near] = before[:, near]
    calm = np.maximum(calm, np.minimum(granted, new_w))
    load_w = element_load_w(calm, parent, element, phase_share)
    over = load_w > np.maximum(headroom_w, 0.0) + TOLERANCE_W
    unsafe = anywhere_upstream(over, parent, element, phase_share)
    smoothed: Floats = np.where(unsafe, np.minimum(calm, new_w), calm)
    return smoothed


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
