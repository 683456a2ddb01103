"""What is left of a rating beside the load that nobody can steer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ampacity.allocation.forest import Bools, Floats


@dataclass(frozen=True, slots=True)
class Headroom:
    """Free capacity per element, phase and quarter hour; arrays of shape (E, P, T)."""

    import_w: Floats  # may be negative: the forecast load alone is above the limit
    export_w: Floats
    unknown: Bools  # there was no forecast: no headroom is given out


def headroom(limit_w: ArrayLike, upper_w: ArrayLike, lower_w: ArrayLike, extra_margin_w: ArrayLike = 0.0) -> Headroom:
    """Limit minus the upper quantile for import, limit plus the lower quantile for export.

    Args:
        limit_w: What each phase may carry in either direction [W], shape (E, P); 0 on a phase that the element lacks.
        upper_w: Upper quantile of the non-controllable load, import positive [W], shape (E, P, T); NaN: not known.
        lower_w: Its lower quantile [W], same shape.
        extra_margin_w: Kept free in both directions besides [W], a number or shape (E, P).

    Example: a phase of 60 kW with a load between -10 and 45 kW.
        >>> h = headroom([[60e3]], [[[45e3]]], [[[-10e3]]], extra_margin_w=1e3)
        >>> float(h.import_w[0, 0, 0]), float(h.export_w[0, 0, 0])
        (14000.0, 49000.0)
    """
    upper = np.asarray(upper_w, float)
    lower = np.asarray(lower_w, float)
    limit = np.asarray(limit_w, float)[:, :, None]
    free_w = limit - np.broadcast_to(np.asarray(extra_margin_w, float), limit.shape[:2])[:, :, None]
    there = limit > 0
    unknown = there & ~(np.isfinite(upper) & np.isfinite(lower) & np.isfinite(limit))
    usable = there & ~unknown
    return Headroom(
        import_w=np.where(usable, free_w - upper, 0.0),
        export_w=np.where(usable, free_w + lower, 0.0),
        unknown=unknown,
    )


def pool_reserve(headroom_w: Floats, bolder_headroom_w: Floats, fraction: float) -> Floats:
    """What the regular shares leave over for asking [W], shape (E, P, T): a part of what forecast uncertainty costs.

    Shares are filled from headroom minus this reserve, grants from headroom: so nothing
    beyond the risk that is declared is ever given out.

    Args:
        headroom_w: At the risk quantile [W], shape (E, P, T).
        bolder_headroom_w: At the .95 quantile [W], same shape.
        fraction: How much of the gap between them is kept.
    """
    gap_w = np.maximum(bolder_headroom_w - headroom_w, 0.0)
    reserve_w: Floats = np.clip(fraction * gap_w, 0.0, np.maximum(headroom_w, 0.0))
    return reserve_w
