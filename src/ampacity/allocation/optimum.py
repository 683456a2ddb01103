"""The draw that leaves the grid flattest: valley filling inside what a group may use."""

import numpy as np

from ampacity.allocation.forest import Bools, Floats

HOURS_PER_QUARTER = 0.25


def optimum(
    capacity_w: Floats,
    energy_need_wh: Floats,
    noncontrollable_w: Floats,
    surplus_w: Floats | None = None,
    surplus_lean: float = 1.0,
) -> Floats:
    """The preferred draw of each group [W], shape (G, T), never above its capacity.

    The expected energy is poured into the valleys of the load beside it up to one level:
    x = clip(level - load, 0, capacity).  That is the draw with the smallest sum of
    squares, and so the smallest peak, of the total.  A need beyond what the capacity can
    carry fills the capacity.

    Args:
        capacity_w: The group's CONSUMPTION [W], shape (G, T).
        energy_need_wh: Expected energy in these quarters [Wh], shape (G,).
        noncontrollable_w: Median load beside which the group draws [W], shape (G, T).
        surplus_w: Expected surplus of generation [W], shape (G, T): makes its hours deeper valleys.
        surplus_lean: How much deeper, per watt of surplus.

    Example: 3 kWh into two hours, where the first quarters carry more load.
        >>> x = optimum(np.full((1, 8), 4e3), np.array([3e3]), np.array([[5e3] * 4 + [3e3] * 4]))
        >>> x.tolist()
        [[500.0, 500.0, 500.0, 500.0, 2500.0, 2500.0, 2500.0, 2500.0]]
    """
    valley_w = noncontrollable_w if surplus_w is None else noncontrollable_w - surplus_lean * np.maximum(surplus_w, 0)
    capacity = np.maximum(capacity_w, 0.0)
    need_w = np.maximum(energy_need_wh, 0.0) / HOURS_PER_QUARTER
    level = _level(valley_w, capacity, np.minimum(need_w, capacity.sum(axis=1)))
    drawn_w: Floats = np.clip(level[:, None] - valley_w, 0.0, capacity)
    return np.where(takes_all(capacity_w, energy_need_wh)[:, None], capacity, drawn_w)


def takes_all(capacity_w: Floats, energy_need_wh: Floats) -> Bools:
    """Groups that need all that they may use, and more, shape (G,)."""
    all_w = np.maximum(capacity_w, 0.0).sum(axis=1)
    needs_all: Bools = np.maximum(energy_need_wh, 0.0) / HOURS_PER_QUARTER >= all_w
    return needs_all


def _level(valley_w: Floats, capacity_w: Floats, need_w: Floats) -> Floats:
    """The level at which sum over T of clip(level - valley, 0, capacity) is the need, shape (G,).

    The sum is piecewise linear: it gains slope 1 at each valley and loses it at each brim.
    """
    bends = np.concatenate([valley_w, valley_w + capacity_w], axis=1)
    gains = np.concatenate([np.ones_like(valley_w), -np.ones_like(valley_w)], axis=1)
    order = np.argsort(bends, axis=1, kind="stable")
    bends = np.take_along_axis(bends, order, axis=1)
    slope = np.cumsum(np.take_along_axis(gains, order, axis=1), axis=1)
    poured = np.concatenate(
        [np.zeros((len(bends), 1)), np.cumsum(slope[:, :-1] * np.diff(bends, axis=1), axis=1)], axis=1
    )
    last = np.sum(poured <= need_w[:, None], axis=1, keepdims=True) - 1
    rest = need_w[:, None] - np.take_along_axis(poured, last, axis=1)
    step = rest / np.maximum(np.take_along_axis(slope, last, axis=1), 1.0)
    level: Floats = (np.take_along_axis(bends, last, axis=1) + step)[:, 0]
    return level
