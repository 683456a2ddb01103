"""The grid at a glance: what every element carries, and where it is tightest in the next day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ampacity.console_ports import Newest
from ampacity.network import Direction, Network
from ampacity.people import LimitChange
from ampacity.ports import Floats, Ints

STALE_QUARTERS = 8  # measurements older than that are called late
DIRECTIONS = (Direction.IMPORT, Direction.EXPORT)
Bools = NDArray[np.bool_]


class State(IntEnum):
    """How an element stands in the next 24 hours, worst first."""

    OVER = 0  # the forecast's upper quantile alone is above the limit
    TIGHT = 1
    UNKNOWN = 2  # nothing is known of its load: all of its limit is kept free
    OK = 3


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All elements at one moment; arrays (E,) unless said otherwise.  NaN and -1: not known."""

    newest: Newest | None
    at: datetime
    network: Network
    limit_w: Floats  # (E, 3) by the rating
    changes: tuple[LimitChange, ...]  # limits that people set, touching the next 24 h
    state: Ints
    least_w: Floats  # least headroom in the next 24 h, of all phases and both directions
    least_of_w: Floats  # the limit there
    least_quarter: Ints
    least_phase: Ints  # 0, 1, 2
    least_export: Bools
    now_w: Floats  # newest measured load, all phases
    now_quarter: Ints
    past_w: Floats  # (E, 24) hourly means on the tightest phase, the last 24 h
    ahead_w: Floats  # (E, 24) the bound there: the greatest upper (export: least lower) quantile of each hour

    @cached_property
    def behind(self) -> tuple[Ints, Ints]:
        """Groups at and behind each element: those of element e are groups[starts[e]:starts[e + 1]]."""
        at, rows = self.network.element.copy(), np.arange(len(self.network.element))
        elements, groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        while rows.size:
            elements.append(at)
            groups.append(rows)
            at = self.network.parent[at]
            rows, at = rows[at >= 0], at[at >= 0]
        element, group = np.concatenate(elements), np.concatenate(groups)
        order = np.argsort(element, kind="stable")
        starts = np.searchsorted(element[order], np.arange(len(self.network.elements) + 1))
        return starts.astype(np.int64), group[order]

    def groups_behind(self, element_no: int) -> Ints:
        """Numbers of the groups at and behind an element."""
        starts, groups = self.behind
        found: Ints = np.sort(groups[starts[element_no] : starts[element_no + 1]])
        return found

    def prepare(self) -> None:
        """Work out beforehand what the first page would otherwise wait for."""
        _ = self.behind, self.below, self.children, self.number_of, self.group_number_of

    @cached_property
    def below(self) -> Ints:
        """How many elements at and below each are in each state, (E, 4)."""
        counts = np.zeros((len(self.state), len(State)), np.int64)
        counts[np.arange(len(self.state)), self.state] = 1
        depth = self.network.depth
        for level in range(int(depth.max(initial=0)), 0, -1):
            at = np.flatnonzero(depth == level)
            np.add.at(counts, self.network.parent[at], counts[at])
        return counts

    @cached_property
    def children(self) -> tuple[Ints, Ints]:
        """As `behind`: the elements directly below each; the roots stand in front, from 0 to starts[0]."""
        order = np.argsort(self.network.parent, kind="stable")
        starts = np.searchsorted(self.network.parent[order], np.arange(len(self.network.parent) + 1))
        return starts.astype(np.int64), order

    def children_of(self, element_no: int | None) -> Ints:
        """Numbers of the elements directly below one; of none: the roots."""
        starts, order = self.children
        return order[: starts[0]] if element_no is None else order[starts[element_no] : starts[element_no + 1]]

    @cached_property
    def number_of(self) -> dict[str, int]:
        return {str(e.element_id): i for i, e in enumerate(self.network.elements)}

    @cached_property
    def group_number_of(self) -> dict[str, int]:
        return {str(g.group_id): i for i, g in enumerate(self.network.groups)}

    def changes_of(self, element_no: int) -> Sequence[LimitChange]:
        return [c for c in self.changes if c.element_no == element_no]
