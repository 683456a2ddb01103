"""How much of its contract a group is likely to need: the rest is lent to others.

History is a cap, never a weight: who wastes gains nothing, and the cap opens at once
when the group uses what it has or asks for more.
"""

import numpy as np

from ampacity.allocation.forest import Bools, Floats


def need_cap(
    recent_use_w: Floats,
    contracted_w: Floats,
    *,
    quantile: float = 0.95,
    ramp_fraction: float = 0.2,
    open_w: Bools | None = None,
) -> Floats:
    """The most each group gets from the regular shares [W], shape (G, T).

    A high quantile of its use at that quarter of recent days, plus a ramp allowance as a
    part of its contract; the whole contract where nothing is known, where `open_w` says
    so, and never more than the contract.

    Args:
        recent_use_w: Use at the same quarter hour of the last D days [W], shape (D, G, T); NaN where not known.
        contracted_w: Contracted capacity [W], shape (G,).
        quantile: Of the recent days.
        ramp_fraction: Of the contract, added to it.
        open_w: Groups and quarters (G, T) that asked, or that use nearly all they have (see `is_used_up`).
    """
    contract = np.broadcast_to(contracted_w[:, None], recent_use_w.shape[1:])
    known = ~np.isnan(recent_use_w)
    use_w = _quantile_of_known(np.where(known, recent_use_w, np.inf), known.sum(axis=0), quantile)
    cap_w = np.minimum(np.maximum(use_w, 0.0) + ramp_fraction * contract, contract)
    free = ~known.any(axis=0) if open_w is None else open_w | ~known.any(axis=0)
    cap: Floats = np.where(free, contract, cap_w)
    return cap


def is_used_up(use_w: Floats, allocated_w: Floats, fraction: float = 0.9) -> Bools:
    """Whether a group draws nearly all that it was given: its need may be higher than it can show."""
    used: Bools = (use_w >= fraction * allocated_w) & (use_w > 0)
    return used


def _quantile_of_known(use_w: Floats, known: Floats, quantile: float) -> Floats:
    """Empirical quantile over axis 0, the unknown values being infinite: the smallest value not below that part."""
    if use_w.shape[0] == 0:
        return np.full(use_w.shape[1:], np.inf)
    ranked = np.sort(use_w, axis=0)
    rank = np.clip(np.ceil(quantile * known).astype(np.int64) - 1, 0, None)
    value: Floats = np.take_along_axis(ranked, rank[None], axis=0)[0]
    return value
