"""What groups load the grid with, and where that is too much."""

import numpy as np

from ampacity.allocation.forest import Bools, Floats, Ints

TOLERANCE_W = 1e-6  # sums of many floats are compared with this slack


def element_load_w(group_w: Floats, parent: Ints, element: Ints, phase_share: Floats) -> Floats:
    """Load on every element upstream of the groups [W], shape (E, P, T).

    Args:
        group_w: What each group takes [W], shape (G, T).
        parent: Index of the upstream element, -1 at a root, shape (E,).
        element: Index of the element behind which each group is connected, shape (G,).
        phase_share: How much of each watt loads each phase, shape (G, P).
    """
    load_w = np.zeros((len(parent), phase_share.shape[1], group_w.shape[1]))
    at, rows = element, np.arange(len(element))
    while rows.size:
        for p in range(phase_share.shape[1]):
            np.add.at(load_w[:, p], at, phase_share[rows, p, None] * group_w[rows])
        up = parent[at] >= 0
        at, rows = parent[at[up]], rows[up]
    return load_w


def anywhere_upstream(flag: Bools, parent: Ints, element: Ints, phase_share: Floats) -> Bools:
    """Whether a flag (E, P, T) is set on a phase that the group loads, anywhere on its path, shape (G, T)."""
    found = np.zeros((len(element), flag.shape[2]), bool)
    at, rows = element, np.arange(len(element))
    while rows.size:
        found[rows] |= (flag[at] & (phase_share[rows] > 0)[:, :, None]).any(axis=1)
        up = parent[at] >= 0
        at, rows = parent[at[up]], rows[up]
    return found
