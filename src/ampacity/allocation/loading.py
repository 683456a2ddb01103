"""What groups load the grid with, and where that is too much."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation.forest import LARGEST, REMEMBERED, Bools, Floats, Ints, is_remembered, plant

CELLS = 2_000_000  # that are added up at a time
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
    order, sums = _sums(np.asarray(parent, np.int64), np.asarray(element, np.int64))
    load_w = np.zeros((len(order), phases, group_w.shape[1]))
    behind, *levels = sums
    for rows, starts, into in behind.pieces(load_w[0].size):
        load_w[into] += np.add.reduceat(phase_share[rows][:, :, None] * group_w[rows][:, None, :], starts, axis=0)
    for level in levels:
        for rows, starts, into in level.pieces(load_w[0].size):
            load_w[into] += np.add.reduceat(load_w[rows], starts, axis=0)
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


@dataclass(frozen=True, slots=True)
class _Sum:
    """Rows that are added up to places; those of one place stand side by side."""

    rows: Ints  # (M,)
    starts: Ints  # (K,) where those of each place begin
    into: Ints  # (K,) that place

    @classmethod
    def of(cls, rows: Ints, place: Ints) -> "_Sum":
        """Rows by their places (M,), which ascend."""
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        return cls(rows, starts, place[starts])

    def pieces(self, width: int) -> Iterator[tuple[Ints, Ints, Ints]]:
        """In pieces that fit into memory easily.

        A place is never cut in two, so that its sum does not depend on what else is added up.
        """
        run = max(1, CELLS // max(width, 1))
        if 0 < self.rows.size <= run:
            yield self.rows, self.starts, self.into
        elif self.rows.size:
            firsts = np.unique(np.append(0, np.searchsorted(self.starts, np.arange(run, self.rows.size, run))))
            ends = [*firsts[1:].tolist(), self.starts.size]
            for first, end in zip(firsts.tolist(), ends, strict=True):
                if first < end:
                    begin, stop = self.starts[first], self.rows.size if end == self.starts.size else self.starts[end]
                    yield self.rows[begin:stop], self.starts[first:end] - begin, self.into[first:end]


def _sums(parent: Ints, element: Ints) -> tuple[Ints, tuple[_Sum, ...]]:
    """Which element stands at each position of the forest, and what is added up: groups, then level after level.

    As of `plant`, those of the last grids of some thousands of elements are remembered.
    """
    if is_remembered(len(parent)) and len(element) <= LARGEST:
        return _remembered(parent.tobytes(), element.tobytes())
    return _made_sums(parent, element)


@lru_cache(REMEMBERED)
def _remembered(parent: bytes, element: bytes) -> tuple[Ints, tuple[_Sum, ...]]:
    return _made_sums(np.frombuffer(parent, np.int64), np.frombuffer(element, np.int64))


def _made_sums(parent: Ints, element: Ints) -> tuple[Ints, tuple[_Sum, ...]]:
    forest, order, position = plant(parent)
    at = position[element]
    by_place = np.argsort(at, kind="stable")
    levels = (_Sum.of(np.arange(v.start, v.stop), forest.parent[v]) for v in reversed(forest.levels_down()))
    return order, (_Sum.of(by_place, at[by_place]), *levels)
