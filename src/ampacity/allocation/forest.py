"""Trees of elements as arrays in which what is upstream stands first."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
REMEMBERED = 64  # forests; they and the sums over them take 110 MB at most
SMALLEST, LARGEST = 1_000, 20_000  # positions of one: smaller ones are planted soon, and differ from call to call


@dataclass(frozen=True, slots=True)
class Forest:
    """Any number of trees; positions run level by level, and in a level the children of one parent side by side."""

    parent: Ints  # (N,) position of the upstream element, -1 at a root
    root: Ints  # (N,) position of the topmost element over each
    level_start: tuple[int, ...]  # level d holds the positions from level_start[d] up to level_start[d + 1]

    @property
    def size(self) -> int:
        return len(self.parent)

    def levels_down(self) -> list[slice]:
        """The levels below the roots, from the top."""
        return [slice(a, b) for a, b in zip(self.level_start[1:-1], self.level_start[2:], strict=True)]

    def climb(self, values: Ints) -> None:
        """Add to each position, in place, what stands below it.  `values` has shape (..., N)."""
        rows = values.reshape(-1, self.size)
        for level in reversed(self.levels_down()):
            add_up(rows, self.parent[level], rows[:, level])

    def keep(self, wanted: Bools) -> "Forest":
        """The part of it that is wanted; what is upstream of a wanted position must be wanted too."""
        new = np.cumsum(wanted) - 1
        parent = self.parent[wanted]
        return Forest(
            np.where(parent >= 0, new[parent], -1),
            new[self.root[wanted]],
            tuple(int(n) for n in np.append(0, np.cumsum(wanted))[list(self.level_start)]),
        )


def add_up(sums: Ints, at: Ints, values: Ints) -> None:
    """Add values (R, M) to rows of sums (R, N), in place, at positions (M,) that ascend."""
    if at.size:
        for row, more in zip(sums, values, strict=True):
            np.add.at(row, at, more)


def plant(parent: Ints) -> tuple[Forest, Ints, Ints]:
    """The forest of a parent list, which element (E,) stands at each of its positions, and the position (E,) of each.

    Those of the last lists of some thousands of elements are remembered: requests are decided again and again in the
    same trees.  What it gives is to be read only.

    Raises:
        Unsuitable: a parent is not there, or an element is upstream of itself.
    """
    return _remembered(parent.tobytes()) if is_remembered(len(parent)) else _planted(parent)


def is_remembered(elements: int) -> bool:
    """Whether the forest of so many elements is kept for the next call."""
    return SMALLEST <= elements <= LARGEST


@lru_cache(REMEMBERED)
def _remembered(parent: bytes) -> tuple[Forest, Ints, Ints]:
    forest, order, position = _planted(np.frombuffer(parent, np.int64))
    for shared in (forest.parent, forest.root, order, position):
        shared.flags.writeable = False
    return forest, order, position


def _planted(parent: Ints) -> tuple[Forest, Ints, Ints]:
    if parent.size and (parent.min() < -1 or parent.max() >= len(parent)):
        raise Unsuitable(f"parent: indices run from {parent.min()} to {parent.max()}, must be -1 to {len(parent) - 1}")
    depth = _depth(parent)
    order = np.argsort(depth, kind="stable")
    ends = np.cumsum(np.bincount(depth[order])) if len(order) else np.zeros(0, np.int64)
    position = np.empty_like(order)
    for start, end in zip((0, *ends[:-1].tolist()), ends.tolist(), strict=False):
        if start:
            level = order[start:end]
            order[start:end] = level[np.argsort(position[parent[level]], kind="stable")]
        position[order[start:end]] = np.arange(start, end)
    up = np.where(parent[order] >= 0, position[parent[order]], -1)
    return Forest(up, _roots(up), (0, *(int(n) for n in ends))), order, position


def repeated(forest: Forest, times: int) -> tuple[Forest, Ints, Ints]:
    """A forest that many times beside itself: its positions, which copy and which original each of them is.

    Returns:
        The forest of `times * N` positions; the original position of each; the copy of each, from 0.
    """
    sizes = np.diff(forest.level_start)
    levels = [slice(a, b) for a, b in zip(forest.level_start[:-1], forest.level_start[1:], strict=True)]
    original = np.concatenate([np.tile(np.arange(s.start, s.stop), times) for s in levels] or [np.zeros(0, np.int64)])
    copy = np.concatenate([np.repeat(np.arange(times), n) for n in sizes] or [np.zeros(0, np.int64)])
    place = placed(forest, original, copy, times)
    up = forest.parent[original]
    parent = np.where(up >= 0, placed(forest, up, copy, times), -1)
    assert (place == np.arange(len(place))).all()
    return (
        Forest(
            parent, placed(forest, forest.root[original], copy, times), tuple(n * times for n in forest.level_start)
        ),
        original,
        copy,
    )


def placed(forest: Forest, position: Ints, copy: Ints, times: int) -> Ints:
    """Where a position's copy stands in `repeated(forest, times)`."""
    starts = np.asarray(forest.level_start)
    level = np.searchsorted(starts, position, side="right") - 1
    level = np.minimum(level, len(starts) - 2)
    start, size = starts[level], np.diff(starts)[level]
    where: Ints = start * times + copy * size + (position - start)
    return where


def _depth(parent: Ints) -> Ints:
    depth = np.zeros(len(parent), np.int64)
    at = parent.copy()
    for _ in range(len(parent) + 1):
        up = np.flatnonzero(at >= 0)
        if up.size == 0:
            return depth
        depth[up] += 1
        at[up] = parent[at[up]]
    raise Unsuitable(f"parent: element {int(np.flatnonzero(at >= 0)[0])} is upstream of itself")


def _roots(parent: Ints) -> Ints:
    root = np.arange(len(parent))
    while (up := parent[root] >= 0).any():
        root[up] = parent[root[up]]
    return root
