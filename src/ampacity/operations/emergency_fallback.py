"""An emergency binds who is silent too: fallbacks are lowered for its time, and made anew when it ends early."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import numpy as np

from ampacity.allocation import allocate
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.decide import FALLBACK_OF
from ampacity.operations.limit_shifts import LimitShifts
from ampacity.operations.shares import whole_watts
from ampacity.ports import CapacityTable, Emergency, EmergencyWriter, Floats, Gate, Steps
from ampacity.timegrid import Window, moment_of, quarter_at

Rooms = Mapping[Direction, tuple[Steps, Floats]]
Lowered = Sequence[tuple[CapacityTable, tuple[int, ...]]]


def restrained_far(
    far_w: Mapping[Direction, Floats],
    steps: Steps,
    network: Network,
    limit_w: Floats,
    imposed: Sequence[Emergency],
    shifts: LimitShifts,
) -> dict[Direction, Floats]:
    """The headroom under new fallbacks [W], (E, 3, S), less what emergencies take from it."""
    rooms = {d: room_w.copy() for d, room_w in far_w.items()}
    for emergency in imposed:
        e = emergency.element_no
        own_w = limit_w[e][:, None] + (shifts.over(e, steps, cautious=True) if rooms else 0.0)
        for room_w in rooms.values():
            room_w[e] -= _reduction_w(steps, network, own_w, emergency, steps.first)
    return rooms


async def far_rooms_under(
    gate: Gate,
    network: Network,
    laid_w: Callable[[Window], Awaitable[Floats]],
    emergency: Emergency,
    *,
    running: Sequence[Emergency],
    now: datetime,
) -> dict[Direction, tuple[Steps, Floats]]:
    """Headroom under the fallbacks that hold, less what an emergency takes beyond those that run on its element.

    `laid_w` gives the element's limit with overrides, emergencies aside, in the quarters of a window [W], (3, T).
    """
    rooms = {}
    e, first = emergency.element_no, quarter_at(now)
    for direction in Direction:
        found = await gate.fallback_headroom(direction, now)
        if found is None:
            continue
        steps, room_w = found[0], found[1].copy()
        laid = await laid_w(Window(steps.first, steps.count * steps.quarters))
        own_w = laid.reshape(len(laid), steps.count, steps.quarters).max(axis=2)
        before_w: Floats = np.zeros(room_w.shape[1:])
        for other in (r for r in running if r.element_no == e):
            before_w = _reduction_w(steps, network, own_w, other, first)
        if emergency.until > now:
            room_w[e] -= np.maximum(_reduction_w(steps, network, own_w, emergency, first) - before_w, 0.0)
        rooms[direction] = (steps, room_w)
    return rooms


def lowered_fallbacks(
    network: Network, rooms: Rooms, held: Mapping[ForecastKind, CapacityTable], now: datetime
) -> Lowered:
    """What is left of the fallbacks where headroom fell, and whose they are."""
    tables = []
    for direction, (steps, room_w) in rooms.items():
        table = held.get(FALLBACK_OF[direction])
        if table is not None and table.steps == steps:
            tables.append(_lower(network, direction, room_w, table, now))
    return [(table, groups) for table, groups in tables if groups]


def _lower(
    network: Network, direction: Direction, room_w: Floats, table: CapacityTable, now: datetime
) -> tuple[CapacityTable, tuple[int, ...]]:
    steps = table.steps
    start = min(max((quarter_at(now) - steps.first) // steps.quarters, 0), steps.count)
    held_w = np.nan_to_num(table.capacity_w[:, start:]).astype(np.float64)
    found = allocate(
        room_w[:, :, start:], network.parent, network.element, network.phase_share, network.contracted_w(direction),
        np.zeros_like(held_w), held_w,
    )  # fmt: skip
    fell = found.allocated_w < held_w
    after_w = np.where(fell, whole_watts(found.allocated_w), held_w)
    groups = np.flatnonzero((after_w < held_w).any(axis=1))
    bound_by = np.where(fell, found.bound_by, table.bound_by[:, start:]).astype(np.int32)
    lower = CapacityTable(
        kind=table.kind,
        steps=Steps(first=steps.first + start * steps.quarters, count=steps.count - start, quarters=steps.quarters),
        capacity_w=after_w[groups],
        bound_by=bound_by[groups],
    )
    return lower, tuple(int(g) for g in groups)


async def write_fallbacks(writer: EmergencyWriter, rooms: Rooms, tables: Lowered) -> int:
    """Write lowered fallbacks with what they rest on, and send them; gives the number of messages."""
    for direction, (steps, room_w) in rooms.items():
        await writer.headroom(direction, steps, room_w, fallback=True)
    messages = 0
    for table, groups in tables:
        await writer.capacities(table, groups)
        messages += await writer.send(table.kind, groups)
    return messages


def _reduction_w(steps: Steps, network: Network, limit_w: Floats, emergency: Emergency, first: int) -> Floats:
    """By how much an emergency lowers its element's limit (3, S) [W], in each step that it touches."""
    per_phase_w = emergency.limit_w / max(int(network.has_phase[emergency.element_no].sum()), 1)
    last = quarter_at(emergency.until)
    last += int(moment_of(last) < emergency.until)
    starts = steps.first + steps.quarters * np.arange(steps.count)
    touches = (starts + steps.quarters > first) & (starts < last)
    reduction_w: Floats = np.maximum(limit_w - per_phase_w, 0.0) * touches
    return reduction_w
