"""From headroom to what every group may use: shares, fallbacks, optimum."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ampacity.allocation import Allocation, allocate, optimum, steady_wish, takes_all
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import drawn_w
from ampacity.operations.shares import WORKERS, Before, Outlook, Shared, Shares, runs_of, whole_watts
from ampacity.operations.steady import Side, one_ampere_w, said_before
from ampacity.ports import AwayGroups, CapacityTable, Floats, Held, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

FALLBACK_OF = {Direction.IMPORT: ForecastKind.FALLBACK_CONSUMPTION, Direction.EXPORT: ForecastKind.FALLBACK_GENERATION}
FIRM_CAP = -2  # in `bound_by`: the fallback is not above the firm part


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What every group may use, by kind."""

    tables: tuple[CapacityTable, ...]
    shared: Shared | None = None  # consumption, before it was kept steady

    def table(self, kind: ForecastKind) -> CapacityTable | None:
        return next((t for t in self.tables if t.kind is kind), None)


def decide(
    network: Network,
    outlook: Outlook,
    held: Mapping[Direction, Held],
    before: Before,
    away: AwayGroups | None = None,
) -> Decided:
    """Decide all kinds of capacity for all groups; those who are away are planned with their fallback."""
    fallbacks = {direction: _fallback(network, outlook, direction) for direction in outlook.fallback_headroom_w}
    tables: dict[Direction, CapacityTable] = {}
    shared: dict[Direction, Shared] = {}
    for direction in Direction:
        drawn = None
        if away is not None:
            newest = fallbacks.get(direction, before.capacities.get(FALLBACK_OF[direction]))
            drawn = drawn_w(network, away, direction, outlook.steps, newest)
        shares = Shares.of(Side.of(network, direction), outlook, held[direction], before, drawn)
        shared[direction] = shares.shared_out()
        tables[direction] = shares.settled(shared[direction], shared[direction].falling)
    optimum_table = optimum_of(network, outlook, tables[Direction.IMPORT], before)
    all_of_them = (*tables.values(), optimum_table, *fallbacks.values())
    return Decided(tables=all_of_them, shared=shared[Direction.IMPORT])


def _fill(network: Network, headroom_w: Floats, weight: Floats, floor_w: Floats, cap_w: Floats) -> Allocation:
    return allocate(
        headroom_w, network.parent, network.element, network.phase_share, weight, floor_w, cap_w, workers=WORKERS
    )


def optimum_of(
    network: Network, outlook: Outlook, consumption: CapacityTable, before: Before, groups: Ints | None = None
) -> CapacityTable:
    """The expected energy of a day, where it makes the element's load flattest, inside the capacity.

    The rows of the result are all groups, or those of these numbers.
    """
    days = consumption.steps.count * consumption.steps.quarters / QUARTERS_PER_DAY
    ampere_w = one_ampere_w(network)
    told_w = said_before(before.capacities.get(ForecastKind.OPTIMUM), consumption.steps, len(network.groups))
    count = len(network.groups) if groups is None else len(groups)
    capacity_w = np.empty((count, consumption.steps.count), np.float32)
    for run in runs_of(count, 4 * consumption.steps.count):
        some = run if groups is None else groups[run]
        most_w = consumption.capacity_w[some].astype(float)
        need_wh = (outlook.need_wh[some] * days).astype(float)
        wish_w = most_w.copy()  # of those who need all that they may use
        rest = np.flatnonzero(~takes_all(most_w, need_wh))
        load_w = outlook.median_w[network.element[some][rest]].sum(axis=1).astype(float)
        wish_w[rest] = optimum(most_w[rest], need_wh[rest], load_w)
        if told_w is not None:
            wish_w = steady_wish(wish_w, told_w[some], most_w, ampere_w[some], before.rules)
        capacity_w[run] = whole_watts(wish_w)
    bound_by = consumption.bound_by if groups is None else consumption.bound_by[groups]
    return replace(consumption, kind=ForecastKind.OPTIMUM, capacity_w=capacity_w, bound_by=bound_by)


def _fallback(network: Network, outlook: Outlook, direction: Direction) -> CapacityTable:
    """What stays safe while we are silent: the firm part, less where the worst credible load leaves less."""
    room_w, weight = outlook.fallback_headroom_w[direction], network.contracted_w(direction)
    capacity_w = np.empty((len(network.groups), room_w.shape[2]), np.float32)
    bound_by = np.empty(capacity_w.shape, np.int32)
    for some in runs_of(room_w.shape[2], len(network.groups)):
        firm_w = np.repeat(network.firm_w(direction)[:, None], some.stop - some.start, axis=1)
        found = _fill(network, room_w[:, :, some], weight, np.zeros_like(firm_w), firm_w)
        capacity_w[:, some] = whole_watts(found.allocated_w)
        bound_by[:, some] = np.where(found.bound_by < 0, FIRM_CAP, found.bound_by)
    return CapacityTable(
        kind=FALLBACK_OF[direction], steps=outlook.fallback_steps, capacity_w=capacity_w, bound_by=bound_by
    )
