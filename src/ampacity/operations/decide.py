"""From headroom to what every group may use: shares, fallbacks, optimum."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import (
    Allocation,
    Smoothing,
    allocate,
    hand_out_rest,
    optimum,
    share_with_grants,
    smooth,
    steady_wish,
)
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import AWAY, beside, drawn_w, with_away
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
    """Parts of `count` rows, or columns, of that many figures that are worked on together."""
    run = max(1, CELLS_AT_ONCE // max(width, 1))
    return (slice(first, min(first + run, count)) for first in range(0, count, run))


def _shares(
    network: Network, outlook: Outlook, direction: Direction, held: Held, before: Before, drawn: Floats | None
) -> CapacityTable:
    """The shares of one direction, steady, beside what those draw who are away; every quarter by itself."""
    capacity_w = np.empty((len(network.groups), outlook.steps.count), np.float32)
    bound_by = np.empty(capacity_w.shape, np.int32)
    for some in _runs(outlook.steps.count, len(network.groups)):
        theirs = Held(granted_w=held.granted_w[:, some], returned_w=held.returned_w[:, some])
        frozen = max(0, before.rules.frozen_quarters - some.start)
        told = replace(before, rules=replace(before.rules, frozen_quarters=frozen))
        gone = None if drawn is None else drawn[:, some]
        found = _shares_during(network, outlook.during(some), direction, theirs, told, gone)
        capacity_w[:, some], bound_by[:, some] = found
    return CapacityTable(kind=KIND_OF[direction], steps=outlook.steps, capacity_w=capacity_w, bound_by=bound_by)


def _shares_during(
    network: Network, outlook: Outlook, direction: Direction, held: Held, before: Before, drawn: Floats | None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    theirs, open_to = held, outlook
    if drawn is not None:
        left_w, pool_w, theirs = beside(network, outlook.headroom_w[direction], outlook.pool_w[direction], held, drawn)
        open_to = replace(outlook, headroom_w={direction: left_w}, pool_w={direction: pool_w})
    capacity_w, bound_by = share(network, open_to, direction, theirs)
    steady_w = _steady(network, open_to, direction, theirs, before, capacity_w)
    if drawn is not None:
        all_w, bound_by = with_away(network, direction, outlook.headroom_w[direction], steady_w, bound_by, drawn)
        steady_w = whole_watts(all_w)
    return steady_w, bound_by


def _steady(
    network: Network, outlook: Outlook, direction: Direction, held: Held, before: Before, capacity_w: Floats
) -> NDArray[np.float32]:
    """The new capacities, but what was said before where that may stay."""
    previous_w = _said_before(before, KIND_OF[direction], outlook.steps, len(capacity_w))
    if previous_w is None:
        return whole_watts(capacity_w)
    contract_w = network.contracted_w(direction).astype(np.float64)
    most_w = np.fmin(contract_w[:, None], held.returned_w)
    due_w = held.granted_w.astype(np.float64)
    if direction is Direction.IMPORT and outlook.need_cap_w is not None:
        due_w = np.fmax(due_w, np.where(np.isinf(outlook.need_cap_w), capacity_w, np.nan))  # it comes back at once
    smoothed_w = smooth(
        capacity_w.astype(np.float64),
        np.minimum(previous_w, most_w),  # not known stays not known
        headroom_w=outlook.headroom_w[direction].astype(np.float64),
        parent=network.parent,
        element=network.element,
        phase_share=network.phase_share.astype(np.float64),
        contracted_w=contract_w,
        one_ampere_w=_one_ampere_w(network),
        granted_w=due_w,
        firm_w=network.firm_w(direction).astype(np.float64),
        rules=before.rules,
    )
    return whole_watts(smoothed_w)


def _said_before(before: Before, kind: ForecastKind, steps: Steps, groups: int) -> NDArray[np.float64] | None:
    """What was said of these steps before, (G, T), NaN where nothing was; None: nothing that can be compared."""
    told = before.capacities.get(kind)
    if told is None or told.steps.quarters != steps.quarters:
        return None
    shift = steps.first - told.steps.first
    previous_w = np.full((groups, steps.count), np.nan)
    span = slice(max(shift, 0), shift + steps.count)
    is_back = told.bound_by[:groups, span] == AWAY  # it has its share again at once
    known = np.where(is_back, np.nan, told.capacity_w[:groups, span])
    if shift >= 0:
        previous_w[: len(known), : known.shape[1]] = known
    return previous_w


def _one_ampere_w(network: Network) -> NDArray[np.float64]:
    """What 1 A on all its phases is for each group [W], (G,)."""
    watts: NDArray[np.float64] = network.phase_voltage_v[network.element] * (network.phase_share > 0).sum(axis=1)
    return watts


def share(network: Network, outlook: Outlook, direction: Direction, held: Held) -> tuple[Floats, NDArray[np.int32]]:
    """Share headroom among the groups: firm parts, then the rest by contract, then running grants from the pool.

    Returns:
        Capacity [W] and the element that bound it, both (G, T).
    """
    headroom_w = outlook.headroom_w[direction]
    contract_w = network.contracted_w(direction)
    quarters = headroom_w.shape[2]
    firm_w = np.repeat(network.firm_w(direction)[:, None], quarters, axis=1)
    cap_w = np.fmin(np.repeat(contract_w[:, None], quarters, axis=1), held.returned_w)
    if direction is Direction.IMPORT and outlook.need_cap_w is not None:
        cap_w = np.minimum(cap_w, outlook.need_cap_w)
    found = share_with_grants(
        np.asarray(headroom_w, np.float64),
        np.asarray(outlook.pool_w[direction], np.float64),
        network.parent,
        network.element,
        np.asarray(network.phase_share, np.float64),
        np.asarray(contract_w, np.float64),
        np.minimum(firm_w, cap_w).astype(np.float64),
        cap_w.astype(np.float64),
        held.granted_w.astype(np.float64),
        workers=WORKERS,
    )
    whole_w = whole_watts(found.allocated_w)
    if outlook.hand_out_rest:
        most_w = np.fmax(cap_w, held.granted_w).astype(np.float64)
        whole_w = _with_rest(network, outlook, direction, whole_w, found.allocated_w, most_w)
    return whole_w, found.bound_by.astype(np.int32)


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
    stored = down.astype(np.float32)
    exact: NDArray[np.float32] = np.where(stored > down, np.nextafter(stored, np.float32(0)), stored)
    return exact


def _fill(network: Network, headroom_w: Floats, weight: Floats, floor_w: Floats, cap_w: Floats) -> Allocation:
    return allocate(
        headroom_w, network.parent, network.element, network.phase_share, weight, floor_w, cap_w, workers=WORKERS
    )


def _optimum(network: Network, outlook: Outlook, consumption: CapacityTable, before: Before) -> CapacityTable:
    """The expected energy of a day, where it makes the element's load flattest, inside the capacity."""
    load_w = outlook.median_w.sum(axis=1)
    days = consumption.steps.count * consumption.steps.quarters / QUARTERS_PER_DAY
    one_ampere_w = _one_ampere_w(network)
    previous_w = _said_before(before, ForecastKind.OPTIMUM, consumption.steps, len(network.groups))
    capacity_w = np.empty(consumption.capacity_w.shape, np.float32)
    for some in _runs(len(network.groups), 4 * consumption.steps.count):
        most_w = consumption.capacity_w[some].astype(float)
        need_wh = (outlook.need_wh[some] * days).astype(float)
        wish_w = optimum(most_w, need_wh, load_w[network.element[some]].astype(float))
        if previous_w is not None:
            wish_w = steady_wish(wish_w, previous_w[some], most_w, one_ampere_w[some], before.rules)
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
