"""Shares with what was granted on request, and when a grant ends early."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation.allocate import Allocation, allocate
from ampacity.allocation.forest import Bools, Floats, Ints
from ampacity.allocation.loading import element_load_w


def share_with_grants(
    headroom_w: NDArray[np.floating],
    pool_w: NDArray[np.floating],
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    weight: Floats,
    firm_w: Floats,
    cap_w: Floats,
    granted_w: Floats,
    *,
    workers: int = 1,
) -> Allocation:
    """The regular shares, and on top of them what was granted beyond them, shape (G, T).

    A grant lifts its group's cap, so that it holds as far as the fair share goes; beyond
    that it is filled from the pool and from what nobody else wants.  It is no floor: then
    whoever asked first would rise from there, and the others would pay for it.

    Args:
        headroom_w: All that may be given out [W], shape (E, P, T).
        pool_w: The part of it that is kept for requests [W], same shape.
        parent, element, phase_share, weight: As in `allocate`.
        firm_w: Firm part [W], shape (G, T).
        cap_w: The most that each group may get [W], shape (G, T), its grants aside.
        granted_w: Totals granted on request that still run [W], shape (G, T); NaN where there is none.
        workers: Threads.
    """
    lifted_w = np.fmax(cap_w, granted_w)
    grid = (parent, element, phase_share, weight)
    open_w = np.subtract(headroom_w, pool_w, dtype=np.float64)
    np.maximum(open_w, 0.0, out=open_w)
    if firm_w.any() and (pool_w > 0).any():  # the pool is kept of what the firm parts leave
        firm_load_w = element_load_w(np.minimum(firm_w, lifted_w), parent, element, phase_share)
        np.maximum(open_w, np.minimum(headroom_w, firm_load_w), out=open_w)
    regular = allocate(open_w, *grid, firm_w, lifted_w, workers=workers)
    lacking_w = np.fmax(granted_w - regular.allocated_w, 0.0)
    if not (lacking_w > 0).any():
        return regular
    left_w = headroom_w - element_load_w(regular.allocated_w, parent, element, phase_share)
    more = allocate(left_w, *grid, np.zeros_like(lacking_w), lacking_w, workers=workers)
    topped = lacking_w > 0
    return replace(
        regular,
        allocated_w=regular.allocated_w + more.allocated_w,
        bound_by=np.where(topped, more.bound_by, regular.bound_by),
        bound_phase=np.where(topped, more.bound_phase, regular.bound_phase),
    )


def is_unused(use_w: Floats, held_w: Floats, *, fraction: float = 0.5, at_least_w: float = 100.0) -> Bools:
    """Whose grants lapse: who drew little of what it held in each of the last blocks, shape (G,).

    Args:
        use_w: Measured use in the last blocks [W], shape (G, B), usually two of them; NaN, not measured, is no proof.
        held_w: What was held then [W], same shape.
        fraction: Use below this part of what was held is little.
        at_least_w: Holding less than this is no reason.
    """
    little = (use_w < fraction * held_w) & (held_w >= at_least_w)
    return np.asarray(little.all(axis=1) & (use_w.shape[1] > 0), bool)
