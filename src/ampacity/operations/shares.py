"""Headroom of one direction shared out among the groups, quarter by quarter, and kept steady."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Smoothing, hand_out_rest, share_with_grants
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import beside, with_away
from ampacity.operations.steady import Side, said_before, steady
from ampacity.ports import CapacityTable, Floats, Held, Steps

KIND_OF = {Direction.IMPORT: ForecastKind.CONSUMPTION, Direction.EXPORT: ForecastKind.GENERATION}
WORKERS = 2
CELLS_AT_ONCE = 500_000  # groups times quarters worked on at a time: a few tens of MB in float64


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is known of the coming hours, for all elements."""

    steps: Steps
    headroom_w: Mapping[Direction, Floats]  # (E, 3, T)
    pool_w: Mapping[Direction, Floats]  # (E, 3, T) the part of the headroom kept back for requests
    median_w: Floats  # (E, 3, T) non-controllable load
    fallback_steps: Steps
    fallback_headroom_w: Mapping[Direction, Floats]  # (E, 3, H); empty where no new fallback is due
    need_wh: Floats  # (G,) energy a day that each group is expected to want
    need_cap_w: Floats | None = None  # (G, T) the most that it is expected to draw, infinite where all is open to it
    hand_out_rest: bool = False  # whether the watts that rounding leaves go to the largest remainders

    def during(self, some: slice) -> "Outlook":
        """What concerns sharing in some of the quarters; views, no copies."""
        return replace(
            self,
            steps=replace(self.steps, first=self.steps.first + some.start, count=some.stop - some.start),
            headroom_w={d: values[:, :, some] for d, values in self.headroom_w.items()},
            pool_w={d: values[:, :, some] for d, values in self.pool_w.items()},
            median_w=self.median_w[:, :, some],
            need_cap_w=None if self.need_cap_w is None else self.need_cap_w[:, some],
        )


@dataclass(frozen=True, kw_only=True)
class Before:
    """What was said before, and how steady to be; nothing was said by default."""

    capacities: Mapping[ForecastKind, CapacityTable] = field(default_factory=dict)
    rules: Smoothing = field(default_factory=Smoothing)


@dataclass(frozen=True)
class Shared:
    """One direction as it is shared out, quarter by quarter, before it is kept steady; arrays (G, T)."""

    capacity_w: NDArray[np.float32]
    bound_by: NDArray[np.int32]
    falls: NDArray[np.bool_]  # whether it is less than what was said before

    @property
    def falling(self) -> NDArray[np.bool_]:
        """Groups that fall in any quarter, (G,)."""
        falling: NDArray[np.bool_] = np.logical_or.reduce(self.falls, axis=1)
        return falling

    def during(self, some: slice) -> "Shared":
        """The same in some of the quarters; views, no copies."""
        return Shared(self.capacity_w[:, some], self.bound_by[:, some], self.falls[:, some])

    def lay(self, some: slice, during: "Shared") -> None:
        """Put what some of the quarters come to in their place."""
        self.capacity_w[:, some], self.bound_by[:, some] = during.capacity_w, during.bound_by
        self.falls[:, some] = during.falls


@dataclass(frozen=True, kw_only=True)
class Shares:
    """One direction of a grid to be shared out, beside what those draw who are away."""

    side: Side
    outlook: Outlook
    held: Held
    told_w: Floats | None  # (G, T) what was said before
    drawn_w: Floats | None  # (G, T)
    rules: Smoothing

    @classmethod
    def of(cls, side: Side, outlook: Outlook, held: Held, before: Before, drawn_w: Floats | None) -> "Shares":
        """All that one side of a grid is shared out by."""
        told = before.capacities.get(KIND_OF[side.direction])
        told_w = said_before(told, outlook.steps, len(side.network.groups))
        return cls(side=side, outlook=outlook, held=held, told_w=told_w, drawn_w=drawn_w, rules=before.rules)

    def during(self, some: slice) -> "Shares":
        """The same in some of the quarters."""
        frozen = max(0, self.rules.frozen_quarters - some.start)
        return replace(
            self,
            outlook=self.outlook.during(some),
            held=Held(granted_w=self.held.granted_w[:, some], returned_w=self.held.returned_w[:, some]),
            told_w=None if self.told_w is None else self.told_w[:, some],
            drawn_w=None if self.drawn_w is None else self.drawn_w[:, some],
            rules=replace(self.rules, frozen_quarters=frozen),
        )

    def shared_out(self) -> Shared:
        """What each group gets; every quarter is shared out by itself."""
        shape = len(self.side.network.groups), self.outlook.steps.count
        capacity_w, bound_by = np.empty(shape, np.float32), np.empty(shape, np.int32)
        falls = np.zeros(shape, bool)

        def work(some: slice) -> None:
            here = self.during(some)
            part, theirs = here.left_open()
            capacity_w[:, some], bound_by[:, some] = share(self.side, part, theirs)
            if here.told_w is not None:
                falls[:, some] = capacity_w[:, some] < self.side.previous_w(here.told_w, theirs)

        _each(work, runs_of(shape[1], shape[0]))
        return Shared(capacity_w, bound_by, falls)

    def settled(self, shared: Shared, falling: NDArray[np.bool_]) -> CapacityTable:
        """What is said of it: kept steady, with those who are away; `falling` (G,) tells who falls in any quarter."""
        capacity_w, bound_by = np.empty_like(shared.capacity_w), shared.bound_by
        if self.drawn_w is not None:
            bound_by = bound_by.copy()

        def work(some: slice) -> None:
            here, here_w = self.during(some), shared.capacity_w[:, some]
            if here.told_w is not None:
                part, theirs = here.left_open()
                room_w, cap_w = part.headroom_w[self.side.direction], part.need_cap_w
                here_w = whole_watts(steady(self.side, room_w, theirs, here_w, here.told_w, falling, cap_w, here.rules))
            if here.drawn_w is not None:
                room_w = here.outlook.headroom_w[self.side.direction]
                all_w, bound_by[:, some] = with_away(
                    self.side.network, self.side.direction, room_w, here_w, bound_by[:, some], here.drawn_w
                )
                here_w = whole_watts(all_w)
            capacity_w[:, some] = here_w

        _each(work, runs_of(capacity_w.shape[1], len(capacity_w)))
        kind, steps = KIND_OF[self.side.direction], self.outlook.steps
        return CapacityTable(kind=kind, steps=steps, capacity_w=capacity_w, bound_by=bound_by)

    def left_open(self) -> tuple[Outlook, Held]:
        """What is open to those who are there, and what they hold."""
        if self.drawn_w is None:
            return self.outlook, self.held
        direction = self.side.direction
        room = self.outlook.headroom_w[direction], self.outlook.pool_w[direction]
        left_w, pool_w, theirs = beside(self.side.network, *room, self.held, self.drawn_w)
        return replace(self.outlook, headroom_w={direction: left_w}, pool_w={direction: pool_w}), theirs


def _each(work: Callable[[slice], None], runs: Iterable[slice]) -> None:
    """Some work on each run, side by side."""
    some = list(runs)
    with ThreadPoolExecutor(min(WORKERS, len(some))) as pool:
        list(pool.map(work, some))


def share(side: Side, outlook: Outlook, held: Held) -> tuple[Floats, NDArray[np.int32]]:
    """Share headroom among the groups: firm parts, then the rest by contract, then running grants from the pool.

    Returns:
        Capacity [W] and the element that bound it, both (G, T).
    """
    network, headroom_w = side.network, outlook.headroom_w[side.direction]
    cap_w = np.fmin(side.contract_w[:, None], held.returned_w)
    if side.direction is Direction.IMPORT and outlook.need_cap_w is not None:
        cap_w = np.minimum(cap_w, outlook.need_cap_w)
    found = share_with_grants(
        headroom_w,
        outlook.pool_w[side.direction],
        network.parent,
        network.element,
        np.asarray(network.phase_share, np.float64),
        side.contract_w,
        np.minimum(side.firm_w[:, None], cap_w),
        cap_w,
        held.granted_w.astype(np.float64),
    )
    whole_w = whole_watts(found.allocated_w)
    if outlook.hand_out_rest:
        most_w = np.fmax(cap_w, held.granted_w).astype(np.float64)
        whole_w = _with_rest(network, outlook, side.direction, whole_w, found.allocated_w, most_w)
    return whole_w, found.bound_by


def _with_rest(
    network: Network, outlook: Outlook, direction: Direction, whole_w: Floats, exact_w: Floats, most_w: Floats
) -> NDArray[np.float32]:
    """The watts that rounding left, one each to the largest remainders; among equals each quarter hour has its order.

    That order is known from the number of the quarter hour, and is the same in every cycle.
    """
    open_w = np.asarray(outlook.headroom_w[direction], np.float64) - outlook.pool_w[direction]
    given_w = hand_out_rest(
        whole_w.astype(np.float64),
        exact_w.astype(np.float64),
        1.0,
        open_w,
        network.parent,
        network.element,
        np.asarray(network.phase_share, np.float64),
        cap_w=np.asarray(most_w, np.float64),
        turn=outlook.steps.first + np.arange(open_w.shape[2]),
    )
    return whole_watts(given_w)


def whole_watts(power_w: Floats) -> NDArray[np.float32]:
    """Rounded down to whole watts, and never up where float32 is coarser than that (beyond 16 MW)."""
    down = np.floor(power_w + 1e-6)
    stored: NDArray[np.float32] = down.astype(np.float32)
    up = stored > down
    if up.any():
        stored[up] = np.nextafter(stored[up], np.float32(0))
    return stored


def runs_of(count: int, width: int) -> Iterator[slice]:
    """Parts of `count` rows, or columns, of that many figures that are worked on together; as long as each other."""
    most = max(1, CELLS_AT_ONCE // max(width, 1))
    run = max(1, -(-count // max(1, -(-count // most))))
    return (slice(first, min(first + run, count)) for first in range(0, count, run))
