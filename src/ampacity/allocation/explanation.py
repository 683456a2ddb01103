"""Why a group may use what it may use, in words that tell nothing about anybody else.

What is told depends on the published rule, the group's own contract and share, and sums
over everybody behind an element: a split or renaming of other groups changes no word.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.allocation.allocate import Allocation, allocate
from ampacity.allocation.forest import Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One group in one quarter hour."""

    capacity_w: float
    contract_part: float  # of all contracts behind the group's element
    element: int  # to which the group is connected
    bound_by: int  # element that binds, -1 where the own cap does
    bound_phase: int  # 1, 2, 3; 0 where the own cap binds
    entitled_w: float  # if all used their contracts
    lent_w: float  # more than entitled, lent by others; below 0: lent to others


def entitlement(
    headroom_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    contracted_w: Floats,
    firm_w: Floats,
    *,
    workers: int = 1,
) -> Floats:
    """What each group would have if all used their contracts [W], shape (G, T).

    Args:
        headroom_w, parent, element, phase_share: As in `allocate`.
        contracted_w: Shape (G,) [W].
        firm_w: Shape (G,) [W].
        workers: Threads.
    """
    shape = (len(contracted_w), headroom_w.shape[2])
    cap_w, floor_w = (np.broadcast_to(w[:, None], shape) for w in (contracted_w, firm_w))
    return allocate(headroom_w, parent, element, phase_share, contracted_w, floor_w, cap_w, workers=workers).allocated_w


def explain(
    group: int, quarter: int, shared: Allocation, entitled_w: Floats, element: Ints, contracted_w: Floats
) -> Explanation:
    """Why a group may use what it may use in a quarter hour.

    Args:
        group, quarter: Row and column of the arrays.
        shared: The allocation.
        entitled_w: From `entitlement`, shape (G, T) [W].
        element: Index of the element behind which each group is connected, shape (G,).
        contracted_w: Shape (G,) [W].
    """
    beside = element == element[group]
    capacity_w = float(shared.allocated_w[group, quarter])
    return Explanation(
        capacity_w=capacity_w,
        contract_part=float(contracted_w[group] / contracted_w[beside].sum()) if contracted_w[group] else 0.0,
        element=int(element[group]),
        bound_by=int(shared.bound_by[group, quarter]),
        bound_phase=int(shared.bound_phase[group, quarter]) + 1,
        entitled_w=float(entitled_w[group, quarter]),
        lent_w=capacity_w - float(entitled_w[group, quarter]),
    )


def in_words(
    told: Explanation,
    own_element: str,
    binding_element: str | None,
    own_cap: str = "as much as you may or asked to use",
) -> str:
    """One sentence.

    Args:
        told: What to say.
        own_element: How people call the element to which the group is connected, such as "cable C17".
        binding_element: The same of the element that binds; None where the own cap does.
        own_cap: What the own cap is.

    Example:
        >>> told = Explanation(capacity_w=84e3, contract_part=0.4, element=1, bound_by=0, bound_phase=2,
        ...                    entitled_w=78e3, lent_w=6e3)
        >>> in_words(told, "cable C17", "transformer T3")
        '84 kW: your 40 % of cable C17, bound by transformer T3 on phase 2; 6 kW lent by others'
    """
    words = f"{_kw(told.capacity_w)}: your {told.contract_part * 100:.3g} % of {own_element}"
    if binding_element is None:
        words += f", {own_cap}"
    else:
        words += f", bound by {binding_element} on phase {told.bound_phase}"
    if told.lent_w >= 500:
        return f"{words}; {_kw(told.lent_w)} lent by others"
    if told.lent_w <= -500:
        return f"{words}; {_kw(-told.lent_w)} lent to others"
    return words


def _kw(power_w: float) -> str:
    return f"{power_w / 1000:.3g} kW" if abs(power_w) < 1e6 else f"{power_w / 1000:,.0f} kW"
