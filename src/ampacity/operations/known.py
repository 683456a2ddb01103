"""What was decided before a cycle, of all groups: what they hold by requests, what they were told, what is imposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ampacity.network import Direction, ForecastKind
from ampacity.network.batches import Batch
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.shares import KIND_OF
from ampacity.ports import (
    AwayGroups,
    CapacityTable,
    CycleStore,
    Emergency,
    Held,
    NewlyHeld,
    RequestStore,
    RunningGrant,
)
from ampacity.timegrid import Window

_SHARED = (*KIND_OF.values(), ForecastKind.OPTIMUM)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was decided before, of all groups, up to a place in the chain."""

    up_to: int
    held: Mapping[Direction, Held]
    told: Mapping[ForecastKind, CapacityTable]
    imposed: Sequence[Emergency]
    away: AwayGroups | None = None
    lapsed: Sequence[RunningGrant] = ()  # grants that the cycle ends: `held` is without them

    def of(self, batch: Batch) -> "Known":
        """What concerns a batch of trees, by the numbers that its elements and groups have there."""
        rows = batch.group_rows
        place = {int(e): i for i, e in enumerate(batch.elements)} if self.imposed else {}
        return replace(
            self,
            held={d: Held(granted_w=h.granted_w[rows], returned_w=h.returned_w[rows]) for d, h in self.held.items()},
            told={
                kind: replace(table, capacity_w=table.capacity_w[rows], bound_by=table.bound_by[rows])
                for kind, table in self.told.items()
            },
            imposed=[replace(e, element_no=place[e.element_no]) for e in self.imposed if e.element_no in place],
            away=None if self.away is None else _away_of(self.away, batch),
        )


def _away_of(away: AwayGroups, batch: Batch) -> AwayGroups | None:
    inside = np.isin(away.groups, batch.groups, assume_unique=True)
    if not inside.any():
        return None
    return AwayGroups(
        groups=np.searchsorted(batch.groups, away.groups[inside]),
        quarters=away.quarters[inside],
        told_w={d: told_w[inside] for d, told_w in away.told_w.items()},
    )


async def known_now(
    plan: Plan, cycles: CycleStore, requests: RequestStore, lapsed: Sequence[RunningGrant] = ()
) -> Known:
    """What was decided until now, fallbacks aside; what is decided meanwhile is found by its place in the chain."""
    up_to = await cycles.chain_length()
    groups, window = len(plan.network.groups), _window(plan)
    without = [g.request_no for g in lapsed]
    return Known(
        up_to=up_to,
        held={d: await requests.held(KIND_OF[d], groups, window, without) for d in Direction},
        told=await cycles.newest_capacities(groups, plan.made_at, _SHARED),
        imposed=await requests.emergencies(plan.made_at),
        lapsed=lapsed,
    )


@dataclass(frozen=True, kw_only=True)
class Touched:
    """In which quarters of a cycle requests changed what groups of a part of the grid hold, (T,) in each direction."""

    quarters: Mapping[Direction, NDArray[np.bool_]]

    def spans(self, direction: Direction) -> list[slice]:
        """The quarters as runs of neighbours."""
        at = np.flatnonzero(np.diff(self.quarters[direction], prepend=False, append=False))
        return [slice(start, stop) for start, stop in at.reshape(-1, 2).tolist()]


async def learn_what_is_held(
    known: Known, up_to: int, plan: Plan, requests: RequestStore, batch_of_group: NDArray[np.int64]
) -> tuple[Known, dict[int, Touched]]:
    """What is known with what requests decided since let groups hold, and where in each batch that changes something.

    Args:
        known: What was known; it is not changed.
        up_to: The place in the chain up to which decisions count.
        plan: Of the cycle.
        requests: Where they stand.
        batch_of_group: Number of each group's batch, (G,).
    """
    window, held = _window(plan), dict(known.held)
    touched: dict[int, Touched] = {}
    for direction in Direction:
        newly = await requests.newly_held(KIND_OF[direction], window, known.up_to, up_to)
        if not newly:
            continue
        before = known.held[direction]
        held[direction] = Held(granted_w=before.granted_w.copy(), returned_w=before.returned_w.copy())
        for each in newly:
            _note(touched, int(batch_of_group[each.group_no]), direction, each, held[direction], window)
    return replace(known, up_to=up_to, held=held), touched


def _note(
    touched: dict[int, Touched], batch_no: int, direction: Direction, newly: NewlyHeld, held: Held, window: Window
) -> None:
    places = held.lay(newly, window.first)
    if batch_no not in touched:
        touched[batch_no] = Touched(quarters={d: np.zeros(window.count, bool) for d in Direction})
    touched[batch_no].quarters[direction][places] = True


def _window(plan: Plan) -> Window:
    return Window(plan.origin, plan.cycle.horizon)
