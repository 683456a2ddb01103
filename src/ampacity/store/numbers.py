"""Some subjects, by their ascending numbers, in what is stored as blocks of neighbours."""

import numpy as np

from ampacity.network.batches import rows_of, runs
from ampacity.ports import Ints


def rows_taken(numbers: Ints, first_no: int, subjects: int) -> tuple[slice, slice | Ints]:
    """Which rows of a table of these subjects, numbers ascending, a stored block fills, and with which of its own."""
    start, stop = np.searchsorted(numbers, (first_no, first_no + subjects)).tolist()
    return slice(start, stop), rows_of(numbers[start:stop] - first_no)


def as_runs(numbers: Ints) -> tuple[list[int], list[int]]:
    """Ascending numbers as runs of neighbours: the first of each, and the one behind its last."""
    found = list(runs(numbers))
    return [first for first, _ in found], [first + where.stop - where.start for first, where in found]
