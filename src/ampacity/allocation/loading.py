"""What groups load the grid with, and where that is too much."""

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation.forest import Bools, Floats, Ints, plant

TOLERANCE_W = 1e-6  # sums of many floats are compared with this slack


def element_load_w(group_w: Floats, parent: Ints, element: Ints, phase_share: Floats) -> Floats:
    """Load on every element upstream of the groups [W], shape (E, P, T).

    Args:
        group_w: What each group takes [W], shape (G, T).
        parent: Index of the upstream element, -1 at a root, shape (E,).
        element: Index of the element behind which each group is connected, shape (G,).
        phase_share: How much of each watt loads each phase, shape (G, P).

    What it gives is to be read only.
    """
    phases = phase_share.shape[1]
    if phases > 1 and (phase_share == phase_share[:, :1]).all():  # all load all phases alike: added up once
        alike_w = element_load_w(group_w, parent, element, phase_share[:, :1])
        return np.broadcast_to(alike_w, (len(alike_w), phases, group_w.shape[1]))
    forest, order = plant(np.asarray(parent, np.int64))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    load_w = np.zeros((len(order), phase_share.shape[1], group_w.shape[1]))
    at = position[element]
    by_place = np.argsort(at, kind="stable")
    for rows in _runs(by_place, at, load_w[0].size):
        _add_rows(load_w, at[rows], phase_share[rows][:, :, None] * group_w[rows][:, None, :])
    for level in reversed(forest.levels_down()):
        by_parent = level.start + np.argsort(forest.parent[level], kind="stable")
        for rows in _runs(by_parent, forest.parent, load_w[0].size):
            _add_rows(load_w, forest.parent[rows], load_w[rows])
    result = np.empty_like(load_w)
    result[order] = load_w
    return result


def overloaded(
    group_w: Floats, headroom_w: NDArray[np.floating], parent: Ints, element: Ints, phase_share: Floats
) -> Bools:
    """Where what groups take is more than the headroom [W], shape (E, P, T)."""
    load_w = element_load_w(group_w, parent, element, phase_share)
    over: Bools = load_w > np.add(np.maximum(headroom_w, 0.0), TOLERANCE_W, dtype=np.float64)
    return over


def anywhere_upstream(flag: Bools, parent: Ints, element: Ints, phase_share: Floats) -> Bools:
    """Whether a flag (E, P, T) is set on a phase that the group loads, anywhere on its path, shape (G, T)."""
    found = np.zeros((len(element), flag.shape[2]), bool)
    at, rows = element, np.arange(len(element))
    while rows.size:
        found[rows] |= (flag[at] & (phase_share[rows] > 0)[:, :, None]).any(axis=1)
        up = parent[at] >= 0
        at, rows = parent[at[up]], rows[up]
    return found


def _runs(rows: Ints, place: Ints, width: int, cells: int = 2_000_000) -> list[Ints]:
    """Rows, sorted by place, in pieces that fit into memory easily.

    A place is never cut in two, so that its sum does not depend on what else is added up.
    """
    run = max(1, cells // max(width, 1))
    firsts = np.flatnonzero(np.diff(place[rows], prepend=-1))
    cuts = np.unique(np.searchsorted(firsts, np.arange(run, rows.size, run)))
    return np.split(rows, firsts[cuts[cuts < firsts.size]]) if rows.size else []


def _add_rows(total: Floats, at: Ints, values: Floats) -> None:
    """Add rows at sorted places, in place."""
    starts = np.flatnonzero(np.diff(at, prepend=-1))
    total[at[starts]] += np.add.reduceat(values, starts, axis=0)
