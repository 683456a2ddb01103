"""Capacities in the steps that the wire can carry, without giving out more than there is."""

import numpy as np
from numpy.typing import ArrayLike

from ampacity.allocation.forest import Floats, Ints
from ampacity.allocation.loading import TOLERANCE_W, element_load_w

_NEARLY_A_STEP = 1e-9  # 29 999.999 999 999 6 W is 30 000 W


def round_down(capacity_w: Floats, step_w: ArrayLike) -> Floats:
    """Whole steps, never more than the capacity but for the last bits of a float.

    Args:
        capacity_w: Shape (G, T) [W].
        step_w: The step of each group [W], a number or shape (G,): 1 W, 10 W for 0.01 KW, or 0.1 A on all its phases.

    Example:
        >>> round_down(np.array([[1234.56, 30_000 - 1e-9]]), 10.0).tolist()
        [[1230.0, 30000.0]]
    """
    step = _per_group(step_w, len(capacity_w))
    rounded_w: Floats = np.floor(capacity_w / step + _NEARLY_A_STEP) * step
    return rounded_w


def hand_out_rest(
    rounded_w: Floats,
    exact_w: Floats,
    step_w: ArrayLike,
    headroom_w: Floats,
    parent: Ints,
    element: Ints,
    phase_share: Floats,
    *,
    cap_w: Floats,
    turn: ArrayLike,
) -> Floats:
    """Give what rounding left over, a step each, to the largest remainders that the grid still carries.

    Among equal remainders the order of a tree's groups decides, begun one further with each
    `turn`: log the turn, and the order is known.

    Args:
        rounded_w: From `round_down`, shape (G, T) [W].
        exact_w: Before rounding, same shape.
        step_w: As in `round_down`.
        headroom_w: Shape (E, P, T) [W]; no sum of the result exceeds it that did not before.
        parent, element, phase_share: As in `allocate`.
        cap_w: Own caps [W], shape (G, T): a step is not given beyond them.
        turn: A counter, a number or one for each quarter hour, shape (T,), such as the quarter's own number.
    """
    step = _per_group(step_w, len(rounded_w))
    remainder = np.round((exact_w - rounded_w) / step, 9)
    group, quarter = np.nonzero((remainder > 0) & (rounded_w + step <= cap_w))
    given_w = rounded_w.copy()
    if group.size == 0:
        return given_w
    spare_w = headroom_w - element_load_w(rounded_w, parent, element, phase_share)
    path = _paths(parent, element)
    tree = path[(path >= 0).sum(axis=0) - 1, np.arange(len(element))]
    rank_in_tree, size = _places(tree)
    turns = np.broadcast_to(np.asarray(turn, np.int64), rounded_w.shape[1])
    place = (rank_in_tree[group] - turns[quarter]) % size[group]
    line = tree[group] * rounded_w.shape[1] + quarter
    order = np.lexsort((place, -remainder[group, quarter], line))
    group, quarter, line = group[order], quarter[order], line[order]
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    rank = np.arange(len(line)) - np.repeat(starts, np.diff(np.append(starts, len(line))))
    by_rank = np.argsort(rank, kind="stable")
    for turn_of in np.split(by_rank, np.cumsum(np.bincount(rank))[:-1]):
        _give_step(given_w, spare_w, group[turn_of], quarter[turn_of], path, phase_share, step[:, 0])
    return given_w


def _give_step(
    given_w: Floats, spare_w: Floats, group: Ints, quarter: Ints, path: Ints, phase_share: Floats, step_w: Floats
) -> None:
    """One step to each of these, at most one per tree and quarter, where its whole path carries it; in place."""
    load_w = phase_share[group] * step_w[group, None]
    upstream = path[:, group]
    there = upstream >= 0
    room = spare_w[upstream, :, quarter[None, :]] >= load_w - TOLERANCE_W
    fits = (room | (load_w == 0) | ~there[:, :, None]).all(axis=(0, 2))
    given_w[group[fits], quarter[fits]] += step_w[group[fits]]
    for up in upstream[:, fits]:
        on = up >= 0
        spare_w[up[on], :, quarter[fits][on]] -= load_w[fits][on]


def _places(tree: Ints) -> tuple[Ints, Ints]:
    """Each group's place among the groups of its tree, and how many these are, (G,) each."""
    order = np.argsort(tree, kind="stable")
    _, starts, counts = np.unique(tree[order], return_index=True, return_counts=True)
    place = np.empty(len(tree), np.int64)
    place[order] = np.arange(len(tree)) - np.repeat(starts, counts)
    size = np.empty(len(tree), np.int64)
    size[order] = np.repeat(counts, counts)
    return place, size


def _paths(parent: Ints, element: Ints) -> Ints:
    """The elements upstream of each group, its own first, then -1; shape (depth, G)."""
    rows = [element]
    while (rows[-1] >= 0).any():
        rows.append(np.where(rows[-1] >= 0, parent[rows[-1]], -1))
    return np.array(rows[:-1] or rows)


def _per_group(step_w: ArrayLike, groups: int) -> Floats:
    return np.broadcast_to(np.asarray(step_w, float).reshape(-1, 1), (groups, 1))
