"""Which forecasts of a cycle go out: what is new to who holds the last one, and what would soon reach too short."""

import numpy as np
from numpy.typing import NDArray

from ampacity.network import ForecastKind
from ampacity.ports import CapacityTable, Ints, Steps
from ampacity.timegrid import QUARTERS_PER_DAY

Bools = NDArray[np.bool_]

_UNTIL_THE_NEXT = 2  # quarters: until the next cycle, and until what that one sends has arrived
LEAST_REACH = QUARTERS_PER_DAY + _UNTIL_THE_NEXT  # so that a provider holds a day at all times


def due(table: CapacityTable, before: CapacityTable | None, told_until: Ints) -> Bools:
    """Groups that have to be sent a newly decided forecast, (G,).

    What a provider holds is what was decided for the time that its last message covers: a
    group is left out only where nothing in that time differs.  So it never holds more than
    what is decided, and what is small enough to be kept back is kept by the decision itself.

    Args:
        table: What is decided now.
        before: What was decided before, all requests since included; None: nothing.
        told_until: The quarter up to which what each group's provider holds reaches, (G,).
    """
    changes = Changes(len(told_until))
    changes.note(table, before, np.arange(len(told_until)))
    return changes.due(table.kind, told_until)


class Changes:
    """What a cycle decides otherwise than before, noted part by part; who is told is seen at its end."""

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._steps: dict[ForecastKind, Steps] = {}
        self._first: dict[ForecastKind, Ints] = {}  # (G,) the first step that differs

    @property
    def kinds(self) -> tuple[ForecastKind, ...]:
        return tuple(self._first)

    def note(self, table: CapacityTable, before: CapacityTable | None, groups: Ints) -> None:
        """Take in what is decided for some groups, beside what was decided for them before."""
        self._steps[table.kind] = table.steps
        first = self._first.setdefault(table.kind, np.zeros(self._groups, np.int64))
        first[groups] = _first_change(table, before)

    def doubt(self, kind: ForecastKind, groups: Ints) -> None:
        """Take it that these groups were told something else meanwhile."""
        if kind in self._first:
            self._first[kind][groups] = 0

    def due(self, kind: ForecastKind, told_until: Ints) -> Bools:
        """Groups that have to be sent what was decided, (G,), by how far what they hold reaches."""
        steps = self._steps[kind]
        reach = told_until - steps.first
        is_due: Bools = (self._first[kind] < reach) | _runs_short(steps.first, steps.count, reach)
        return is_due


def _first_change(table: CapacityTable, before: CapacityTable | None) -> Ints:
    """The first step that is another now, (G,); the number of all where none is, 0 where nothing can be compared."""
    everything = np.zeros(len(table.capacity_w), np.int64)
    if before is None or table.steps.quarters != 1:  # fallbacks are made once a day, and reach far
        return everything
    shift = table.steps.first - before.steps.first
    both = min(table.steps.count, before.steps.count - shift)
    if shift < 0 or both <= 0 or before.steps.quarters != table.steps.quarters:
        return everything
    other = table.capacity_w[:, :both] != before.capacity_w[:, shift : shift + both]
    return np.where(other.any(axis=1), other.argmax(axis=1), table.steps.count)


def _runs_short(first: int, count: int, reach: Ints) -> Bools:
    """Whether what is held must be renewed now; a part of the groups early, lest all fall due in the same cycle."""
    early = max((count - LEAST_REACH) // 2, 1)
    turn = (first + np.arange(len(reach))) % early == 0
    runs_short: Bools = (reach < LEAST_REACH) | (turn & (reach < LEAST_REACH + early))
    return runs_short
