"""Which forecasts of a cycle go out: what is new to who holds the last one, and what would soon reach too short."""

import numpy as np
from numpy.typing import NDArray

from ampacity.ports import CapacityTable, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

Bools = NDArray[np.bool_]

_UNTIL_THE_NEXT = 2  # quarters: until the next cycle, and until what that one sends has arrived
LEAST_REACH = QUARTERS_PER_DAY + _UNTIL_THE_NEXT  # so that a provider holds a day at all times


def due(table: CapacityTable, before: CapacityTable | None, told_until: Ints, groups: Ints | None = None) -> Bools:
    """Groups that have to be sent a newly decided forecast, (G,).

    What a provider holds is what was decided for the time that its last message covers: a
    group is left out only where nothing in that time differs.  So it never holds more than
    what is decided, and what is small enough to be kept back is kept by the decision itself.

    Args:
        table: What is decided now.
        before: What was decided before, all requests since included; None: nothing.
        told_until: The quarter up to which what each group's provider holds reaches, (G,).
        groups: Their numbers where they are only some, (G,).
    """
    if before is None or table.steps.quarters != 1:  # fallbacks are made once a day, and reach far
        return np.ones(len(told_until), bool)
    reach = told_until - table.steps.first
    return _differs(table, before, reach) | _runs_short(
        table.steps.first, table.steps.count, reach, np.arange(len(reach)) if groups is None else groups
    )


def _differs(table: CapacityTable, before: CapacityTable, reach: Ints) -> Bools:
    """Whether anything in the time that is held is another now."""
    shift = table.steps.first - before.steps.first
    both = min(table.steps.count, before.steps.count - shift)
    if shift < 0 or both <= 0 or before.steps.quarters != table.steps.quarters:
        return np.ones(len(reach), bool)
    covered = np.arange(both) < reach[:, None]
    other = table.capacity_w[:, :both] != before.capacity_w[:, shift : shift + both]
    differs: Bools = (other & covered).any(axis=1)
    return differs


def _runs_short(first: int, count: int, reach: Ints, groups: Ints) -> Bools:
    """Whether what is held must be renewed now; a part of the groups early, lest all fall due in the same cycle."""
    early = max((count - LEAST_REACH) // 2, 1)
    turn = (first + groups) % early == 0
    runs_short: Bools = (reach < LEAST_REACH) | (turn & (reach < LEAST_REACH + early))
    return runs_short
