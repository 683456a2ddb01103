"""What stays safe while we are silent."""

import numpy as np
from numpy.typing import ArrayLike

from ampacity.allocation.allocate import Allocation, allocate
from ampacity.allocation.forest import Floats, Ints
from ampacity.allocation.headroom import headroom
from ampacity.errors import Unsuitable
from ampacity.network import Direction
from ampacity.timegrid import QUARTERS_PER_HOUR


def fallback(
    limit_w: Floats,
    low_w: Floats,
    high_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    weight: Floats,
    firm_w: Floats,
    direction: Direction,
    *,
    extra_margin_w: ArrayLike = 0.0,
    workers: int = 1,
) -> Allocation:
    """Shares against the worst credible load, per hour, never above the firm part; arrays of shape (G, hours).

    Each hour's headroom is the smallest of its quarters; the firm parts are filled into
    it by the rule.  Whoever has no firm part gets nothing from a silent grid.

    Args:
        limit_w: What each phase may carry [W], shape (E, P).
        low_w: Far lower quantile of the non-controllable load [W], shape (E, P, T), T whole hours from a full hour.
        high_w: Far upper quantile [W], same shape.
        parent, element, phase_share, weight: As in `allocate`.
        firm_w: Firm part in this direction [W], shape (G,).
        direction: FALLBACK_CONSUMPTION is import, FALLBACK_GENERATION export.
        extra_margin_w: As in `headroom`.
        workers: Threads.

    Raises:
        Unsuitable: T is not a whole number of hours.
    """
    quarters = high_w.shape[2]
    if quarters % QUARTERS_PER_HOUR:
        raise Unsuitable(f"high_w: {quarters} quarters, must be whole hours of {QUARTERS_PER_HOUR}")
    both = headroom(limit_w, high_w, low_w, extra_margin_w)
    room_w = both.import_w if direction is Direction.IMPORT else both.export_w
    hourly_w = room_w.reshape(*room_w.shape[:2], -1, QUARTERS_PER_HOUR).min(axis=3)
    cap_w = np.repeat(firm_w[:, None], hourly_w.shape[2], axis=1)
    return allocate(hourly_w, parent, element, phase_share, weight, np.zeros_like(cap_w), cap_w, workers=workers)
