"""Independent trees in batches, so that a large grid can be worked on piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampacity.network.tree import Ints, Network


@dataclass(frozen=True, eq=False)
class Batch:
    """Whole trees: numbers of their elements and of the groups behind them, ascending."""

    elements: Ints
    groups: Ints

    def part(self, network: Network) -> Network:
        """These trees as a grid of their own, its records in the same order."""
        number = np.full(len(network.parent), -1, np.int64)
        number[self.elements] = np.arange(len(self.elements))
        parent = network.parent[self.elements]
        return replace(
            network,
            elements=tuple(network.elements[e] for e in self.elements.tolist()),
            groups=tuple(network.groups[g] for g in self.groups.tolist()),
            parent=np.where(parent >= 0, number[parent], -1),
            has_phase=network.has_phase[self.elements],
            phase_voltage_v=network.phase_voltage_v[self.elements],
            rated_current_a=network.rated_current_a[self.elements],
            element=number[network.element[self.groups]],
            phase_share=network.phase_share[self.groups],
        )

    @cached_property
    def group_rows(self) -> slice | Ints:
        """Index of its groups into arrays of all groups; a slice, which copies nothing, where they are neighbours."""
        return rows_of(self.groups)

    def in_the_whole(self, bound_by: NDArray[Any]) -> NDArray[Any]:
        """Numbers of elements of the part as those of the whole grid; what is below 0 is no number and stays."""
        numbers = np.append(self.elements, 0)[np.maximum(bound_by, -1)]
        return np.where(bound_by >= 0, numbers, bound_by).astype(bound_by.dtype)


def tree_batches(network: Network, most_elements: int) -> list[Batch]:
    """All trees in batches of at most that many elements, a larger tree by itself; trees by their first elements."""
    _, first, tree_of, sizes = np.unique(network.root, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    batch_of_tree = np.zeros(len(order), np.int64)
    batch, filled = 0, 0
    for tree in order:
        if filled and filled + sizes[tree] > most_elements:
            batch, filled = batch + 1, 0
        batch_of_tree[tree] = batch
        filled += int(sizes[tree])
    of_element = batch_of_tree[tree_of]
    return [
        Batch(elements, groups)
        for elements, groups in zip(
            _members(of_element, batch + 1), _members(of_element[network.element], batch + 1), strict=True
        )
    ]


def runs(numbers: Ints) -> Iterator[tuple[int, slice]]:
    """Numbers as runs of neighbours: the first number of each, and which places of the list it takes."""
    if len(numbers) == 0:
        return
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 2) != 1).tolist()
    for start, stop in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield int(numbers[start]), slice(start, stop)


def rows_of(numbers: Ints) -> slice | Ints:
    """An index that picks ascending numbers, as a slice where they are neighbours."""
    if len(numbers) and numbers[-1] - numbers[0] + 1 == len(numbers):
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _members(batch_of: Ints, batches: int) -> list[Ints]:
    order = np.argsort(batch_of, kind="stable")
    return np.split(order, np.searchsorted(batch_of[order], np.arange(1, batches)))
