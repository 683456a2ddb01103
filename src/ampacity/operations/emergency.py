"""Lower what groups behind an element may use, all of them by the same filling, at once and for a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ampacity.allocation import allocate, element_load_w
from ampacity.errors import NotFound, NotReady, Refused
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import AWAY, with_away
from ampacity.operations.emergency_fallback import (
    far_rooms_under,
    lowered_fallbacks,
    restrained_far,
    write_fallbacks,
)
from ampacity.operations.limit_shifts import LimitShifts, laid_overrides, overridden_w
from ampacity.operations.shares import KIND_OF, Outlook, whole_watts
from ampacity.ports import CapacityTable, Emergency, EmergencyWriter, Floats, Gate, GridStore, RequestStore, Steps
from ampacity.timegrid import Window, moment_of, quarter_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Imposed:
    """What an emergency came to."""

    decision_id: int
    groups: int  # whose capacity was lowered
    messages: int
    lowered_w: float  # the most in a quarter hour, all groups together


def restrained(
    outlook: Outlook, network: Network, limit_w: Floats, imposed: Sequence[Emergency], shifts: LimitShifts
) -> Outlook:
    """The outlook of a cycle with what emergencies take from the headroom, which overrides have shifted."""
    if not imposed:
        return outlook
    window = Window(outlook.steps.first, outlook.steps.count)
    headroom_w = {d: room_w.copy() for d, room_w in outlook.headroom_w.items()}
    for emergency in imposed:
        e = emergency.element_no
        own_w = limit_w[e][:, None] + shifts.over(e, outlook.steps)
        for room_w in headroom_w.values():
            room_w[e] -= reduction_w(window, network, own_w, emergency, window.first)
    pool_w = {d: kept_w.copy() for d, kept_w in outlook.pool_w.items()}
    for d, kept_w in pool_w.items():
        for e in {emergency.element_no for emergency in imposed}:
            kept_w[e] = np.minimum(kept_w[e], np.maximum(headroom_w[d][e], 0))
    far_w = restrained_far(outlook.fallback_headroom_w, outlook.fallback_steps, network, limit_w, imposed, shifts)
    return replace(outlook, headroom_w=headroom_w, pool_w=pool_w, fallback_headroom_w=far_w)


async def impose(
    element_id: str,
    limit_w: float,
    until: datetime,
    reason: str,
    *,
    now: datetime,
    power_factor: float,
    grid: GridStore,
    requests: RequestStore,
    limit_no: int | None = None,
) -> Imposed:
    """Impose a limit on an element from now on; `until` now ends what was imposed before, from the next cycle on.

    Only lowers, the fallbacks of who is silent too, and tells every group whose capacity fell.  `limit_no` names
    the limit of a person that it is.

    Raises:
        NotFound: there is no such element.
        Refused: the limit or the time make no sense.
        NotReady: nothing was decided yet that could be lowered.
    """
    if not (np.isfinite(limit_w) and limit_w >= 0):
        raise Refused(f"the limit is {limit_w} W, must be 0 or more")
    if until < now:
        raise Refused(f"it would end at {until.isoformat()}, which is past")
    if not reason.strip():
        raise Refused("an emergency needs a reason: it is kept with the decision")
    async with requests.gate(alone=True) as gate:
        version, network = await grid.version(), await grid.network()
        element_no = next((i for i, e in enumerate(network.elements) if e.element_id == element_id), None)
        if element_no is None:
            raise NotFound(f"there is no element {element_id}")
        emergency = Emergency(element_no, limit_w, until)
        running = await requests.emergencies(now)
        limit = RatedLimit(rated_w=network.limit_w(power_factor)[element_no], grid=grid)
        rooms = await rooms_under(gate, network, limit, emergency, running=running, now=now)
        held = await gate.capacities(len(network.groups), now)
        tables = lowered(network, rooms, held, now)

        async def laid_w(covers: Window) -> Floats:
            return await limit.laid_w(element_no, covers, now)

        far = await far_rooms_under(gate, network, laid_w, emergency, running=running, now=now)
        fallbacks = lowered_fallbacks(network, far, held, now)
        async with gate.impose(now) as writer:
            await writer.rests_on(version)
            await writer.impose(emergency, now, reason, limit_no)
            for direction, (window, room_w) in rooms.items():
                await writer.headroom(direction, Steps(first=window.first, count=window.count), room_w)
            messages = await tell(writer, tables, now, reason) + await write_fallbacks(writer, far, fallbacks)
            told = {g for _, groups in (*tables, *fallbacks) for g in groups}
            fell_w = _most(tables)
            await writer.finish(
                {
                    "element_id": element_id, "limit_w": limit_w, "until": until.isoformat(), "reason": reason,
                    "groups": len(told), "lowered_w": fell_w,
                },
                {},
            )  # fmt: skip
            return Imposed(decision_id=writer.decision_id, groups=len(told), messages=messages, lowered_w=fell_w)


@dataclass(frozen=True, kw_only=True)
class LoweredTable(CapacityTable):
    """Capacities of the groups that were lowered, and by how much: `fell_w` (groups, S)."""

    fell_w: Floats


def lowered(
    network: Network,
    rooms: Mapping[Direction, tuple[Window, Floats]],
    held: Mapping[ForecastKind, CapacityTable],
    now: datetime,
) -> list[tuple[LoweredTable, tuple[int, ...]]]:
    """What is left of the capacities where headroom fell, and whose they are; the optimum stays inside."""
    tables = []
    for direction, (covers, room_w) in rooms.items():
        kind = KIND_OF[direction]
        found = _lower(network, direction, covers, room_w, held[kind], now)
        tables.append(found)
        if direction is Direction.IMPORT and ForecastKind.OPTIMUM in held:
            tables.append(_inside(held[ForecastKind.OPTIMUM], *found))
    return [(table, groups) for table, groups in tables if groups]


def _lower(
    network: Network, direction: Direction, covers: Window, room_w: Floats, table: CapacityTable, now: datetime
) -> tuple[LoweredTable, tuple[int, ...]]:
    first = max(quarter_at(now), covers.first, table.steps.first)
    count = max(0, min(covers.end, table.steps.first + table.steps.count) - first)
    held = slice(first - table.steps.first, first - table.steps.first + count)
    held_w = np.nan_to_num(table.capacity_w[:, held]).astype(np.float64)
    room_w = room_w[:, :, first - covers.first : first - covers.first + count]
    drawn = np.where(table.bound_by[:, held] == AWAY, held_w, np.nan)  # by those who cannot be told
    there_w = np.where(np.isnan(drawn), held_w, 0.0)
    share = np.asarray(network.phase_share, np.float64)
    left_w = room_w - element_load_w(held_w - there_w, network.parent, network.element, share)
    firm_w = np.repeat(network.firm_w(direction)[:, None], count, axis=1)
    shared = allocate(
        left_w, network.parent, network.element, network.phase_share, network.contracted_w(direction),
        np.minimum(firm_w, there_w), there_w,
    )  # fmt: skip
    after_w = np.where(shared.allocated_w < there_w, whole_watts(shared.allocated_w), there_w)
    bound_by = np.where(after_w < there_w, shared.bound_by, table.bound_by[:, held])
    after_w, bound_by = with_away(network, direction, room_w, after_w, bound_by, drawn)
    groups = np.flatnonzero((after_w < held_w).any(axis=1))
    lower = LoweredTable(
        kind=table.kind, steps=Steps(first=first, count=count), capacity_w=after_w[groups],
        bound_by=bound_by[groups].astype(np.int32), fell_w=(held_w - after_w)[groups],
    )  # fmt: skip
    return lower, tuple(int(g) for g in groups)


def _inside(
    optimum: CapacityTable, table: LoweredTable, groups: tuple[int, ...]
) -> tuple[LoweredTable, tuple[int, ...]]:
    """The optimum of lowered groups, nowhere above what they may use."""
    shift = table.steps.first - optimum.steps.first
    before_w = np.nan_to_num(optimum.capacity_w[list(groups), shift : shift + table.steps.count])
    after_w = np.minimum(before_w, table.capacity_w)
    return replace(table, kind=ForecastKind.OPTIMUM, capacity_w=after_w, fell_w=before_w - after_w), groups


@dataclass(frozen=True, kw_only=True)
class RatedLimit:
    """What one element may carry: by its rating [W], (3,), and by the overrides that its headroom rests on."""

    rated_w: Floats
    grid: GridStore

    async def laid_w(self, element_no: int, covers: Window, now: datetime, without: int | None = None) -> Floats:
        """The limit under the headroom of a window, emergencies aside [W], (3, T)."""
        then = await self.grid.limit_changes(covers, covers.start_moment)
        known = await self.grid.limit_changes(covers, now)
        return overridden_w(self.rated_w, laid_overrides(then, known, element_no, without), covers)


async def rooms_under(
    gate: Gate,
    network: Network,
    limit: RatedLimit,
    emergency: Emergency,
    *,
    running: Sequence[Emergency],
    now: datetime,
) -> dict[Direction, tuple[Window, Floats]]:
    """Headroom as it holds, less what the emergency takes beyond those that run on its element already."""
    rooms = {}
    e, first = emergency.element_no, quarter_at(now)
    for direction in Direction:
        found = await gate.headroom(direction, now)
        if found is None:
            raise NotReady("nothing was decided yet that could be lowered: run a cycle first")
        covers, room_w = found[0], found[1].copy()
        own_w = await limit.laid_w(e, covers, now)
        before_w: Floats = np.zeros(room_w.shape[1:])
        for other in running:
            if other.element_no == e:
                before_w = reduction_w(covers, network, own_w, other, first)
        if emergency.until > now:
            room_w[e] -= np.maximum(reduction_w(covers, network, own_w, emergency, first) - before_w, 0.0)
        rooms[direction] = (covers, room_w)
    return rooms


def reduction_w(covers: Window, network: Network, limit_w: Floats, emergency: Emergency, first: int) -> Floats:
    """By how much an emergency lowers its element's limit (3, T) [W], in the quarters of a window from `first` on."""
    per_phase_w = emergency.limit_w / max(int(network.has_phase[emergency.element_no].sum()), 1)
    last = quarter_at(emergency.until)
    last += int(moment_of(last) < emergency.until)
    quarters = covers.quarters()
    holds = (quarters >= first) & (quarters < last)
    reduced_w: Floats = np.maximum(limit_w - per_phase_w, 0.0) * holds
    return reduced_w


async def tell(
    writer: EmergencyWriter, tables: Sequence[tuple[LoweredTable, tuple[int, ...]]], now: datetime, reason: str
) -> int:
    messages = 0
    for table, groups in tables:
        await writer.capacities(table, groups)
        await writer.revoke(table.kind, groups, now, reason)
        messages += await writer.send(table.kind, groups)
    return messages


def _most(tables: Sequence[tuple[LoweredTable, tuple[int, ...]]]) -> float:
    sums = [float(t.fell_w.sum(axis=0).max(initial=0.0)) for t, _ in tables if t.kind is not ForecastKind.OPTIMUM]
    return round(max(sums, default=0.0), 1)
