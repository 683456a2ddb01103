"""From headroom to what every group may use: shares, fallbacks, optimum."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import (
    Allocation,
    Smoothing,
    allocate,
    falling,
    hand_out_rest,
    optimum,
    share_with_grants,
    steady_wish,
    takes_all,
)
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import beside, drawn_w, with_away
from ampacity.operations.steady import Side, one_ampere_w, said_before, steady
from ampacity.ports import AwayGroups, CapacityTable, Floats, Held, Steps
from ampacity.timegrid import QUARTERS_PER_DAY

KIND_OF = {Direction.IMPORT: ForecastKind.CONSUMPTION, Direction.EXPORT: ForecastKind.GENERATION}
FALLBACK_OF = {Direction.IMPORT: ForecastKind.FALLBACK_CONSUMPTION, Direction.EXPORT: ForecastKind.FALLBACK_GENERATION}
WORKERS = 2
CELLS_AT_ONCE = 500_000  # groups times quarters worked on at a time: a few tens of MB in float64
FIRM_CAP = -2  # in `bound_by`: the fallback is not above the firm part


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
class Decided:
    """What every group may use, by kind."""

    tables: tuple[CapacityTable, ...]

    def table(self, kind: ForecastKind) -> CapacityTable | None:
        return next((t for t in self.tables if t.kind is kind), None)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What was said before, and how steady to be; nothing was said by default."""

    capacities: Mapping[ForecastKind, CapacityTable] = field(default_factory=dict)
    rules: Smoothing = field(default_factory=Smoothing)


def decide(
    network: Network,
    outlook: Outlook,
    held: Mapping[Direction, Held],
    before: Before,
    away: AwayGroups | None = None,
) -> Decided:
    """Decide all kinds of capacity for all groups; those who are away are planned with their fallback."""
    fallbacks = {direction: _fallback(network, outlook, direction) for direction in outlook.fallback_headroom_w}
    tables: list[CapacityTable] = []
    for direction in Direction:
        drawn = None
        if away is not None:
            newest = fallbacks.get(direction, before.capacities.get(FALLBACK_OF[direction]))
            drawn = drawn_w(network, away, direction, outlook.steps, newest)
        tables.append(_shares(network, outlook, direction, held[direction], before, drawn))
    tables.append(_optimum(network, outlook, tables[0], before))
    return Decided(tables=(*tables, *fallbacks.values()))


def _runs(count: int, width: int) -> Iterator[slice]:
    """Parts of `count` rows, or columns, of that many figures that are worked on together; as long as each other."""
    most = max(1, CELLS_AT_ONCE // max(width, 1))
    run = max(1, -(-count // max(1, -(-count // most))))
    return (slice(first, min(first + run, count)) for first in range(0, count, run))


def _shares(
    network: Network, outlook: Outlook, direction: Direction, held: Held, before: Before, drawn: Floats | None
) -> CapacityTable:
    """The shares of one direction, steady, beside what those draw who are away.

    Every quarter is shared out by itself; how steady a group is depends on all of its quarters.
    """
    groups, count = len(network.groups), outlook.steps.count
    side = Side.of(network, direction)
    told_w = said_before(before.capacities.get(KIND_OF[direction]), outlook.steps, groups)
    capacity_w, bound_by = np.empty((groups, count), np.float32), np.empty((groups, count), np.int32)
    runs = list(_runs(count, groups))
    falls: NDArray[np.bool_] = np.zeros((len(runs), groups), bool)

    def open_during(some: slice) -> tuple[Outlook, Held]:
        theirs = Held(granted_w=held.granted_w[:, some], returned_w=held.returned_w[:, some])
        part = outlook.during(some)
        if drawn is None:
            return part, theirs
        room = part.headroom_w[direction], part.pool_w[direction]
        left_w, pool_w, theirs = beside(network, *room, theirs, drawn[:, some])
        return replace(part, headroom_w={direction: left_w}, pool_w={direction: pool_w}), theirs

    def share_out(run: int) -> None:
        some = runs[run]
        part, theirs = open_during(some)
        capacity_w[:, some], bound_by[:, some] = share(side, part, theirs)
        if told_w is not None:
            falls[run] = falling(capacity_w[:, some], side.previous_w(told_w[:, some], theirs))

    def settle(run: int) -> None:
        some = runs[run]
        here_w = capacity_w[:, some]
        if told_w is not None:
            part, theirs = open_during(some)
            rules = replace(before.rules, frozen_quarters=max(0, before.rules.frozen_quarters - some.start))
            room_w, cap_w = part.headroom_w[direction], part.need_cap_w
            here_w = whole_watts(
                steady(side, room_w, theirs, here_w, told_w[:, some], np.logical_or.reduce(falls), cap_w, rules)
            )
        if drawn is not None:
            room_w = outlook.headroom_w[direction][:, :, some]
            all_w, bound_by[:, some] = with_away(network, direction, room_w, here_w, bound_by[:, some], drawn[:, some])
            here_w = whole_watts(all_w)
        capacity_w[:, some] = here_w

    _each(share_out, len(runs))
    _each(settle, len(runs))
    return CapacityTable(kind=KIND_OF[direction], steps=outlook.steps, capacity_w=capacity_w, bound_by=bound_by)


def _each(work: Callable[[int], None], runs: int) -> None:
    """Some work on each run, side by side."""
    with ThreadPoolExecutor(min(WORKERS, runs)) as pool:
        list(pool.map(work, range(runs)))


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


def _fill(network: Network, headroom_w: Floats, weight: Floats, floor_w: Floats, cap_w: Floats) -> Allocation:
    return allocate(
        headroom_w, network.parent, network.element, network.phase_share, weight, floor_w, cap_w, workers=WORKERS
    )


def _optimum(network: Network, outlook: Outlook, consumption: CapacityTable, before: Before) -> CapacityTable:
    """The expected energy of a day, where it makes the element's load flattest, inside the capacity."""
    days = consumption.steps.count * consumption.steps.quarters / QUARTERS_PER_DAY
    ampere_w = one_ampere_w(network)
    told_w = said_before(before.capacities.get(ForecastKind.OPTIMUM), consumption.steps, len(network.groups))
    capacity_w = np.empty(consumption.capacity_w.shape, np.float32)
    for some in _runs(len(network.groups), 4 * consumption.steps.count):
        most_w = consumption.capacity_w[some].astype(float)
        need_wh = (outlook.need_wh[some] * days).astype(float)
        wish_w = most_w.copy()  # of those who need all that they may use
        rest = np.flatnonzero(~takes_all(most_w, need_wh))
        load_w = outlook.median_w[network.element[some][rest]].sum(axis=1).astype(float)
        wish_w[rest] = optimum(most_w[rest], need_wh[rest], load_w)
        if told_w is not None:
            wish_w = steady_wish(wish_w, told_w[some], most_w, ampere_w[some], before.rules)
        capacity_w[some] = whole_watts(wish_w)
    return replace(consumption, kind=ForecastKind.OPTIMUM, capacity_w=capacity_w)


def _fallback(network: Network, outlook: Outlook, direction: Direction) -> CapacityTable:
    """What stays safe while we are silent: the firm part, less where the worst credible load leaves less."""
    room_w, weight = outlook.fallback_headroom_w[direction], network.contracted_w(direction)
    capacity_w = np.empty((len(network.groups), room_w.shape[2]), np.float32)
    bound_by = np.empty(capacity_w.shape, np.int32)
    for some in _runs(room_w.shape[2], len(network.groups)):
        firm_w = np.repeat(network.firm_w(direction)[:, None], some.stop - some.start, axis=1)
        found = _fill(network, room_w[:, :, some], weight, np.zeros_like(firm_w), firm_w)
        capacity_w[:, some] = whole_watts(found.allocated_w)
        bound_by[:, some] = np.where(found.bound_by < 0, FIRM_CAP, found.bound_by)
    return CapacityTable(
        kind=FALLBACK_OF[direction], steps=outlook.fallback_steps, capacity_w=capacity_w, bound_by=bound_by
    )
