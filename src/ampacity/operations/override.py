"""An override that counts at once: a decision now, as an emergency is, which may also give more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ampacity.allocation import allocate, element_load_w
from ampacity.errors import NotReady
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.emergency import Imposed, LoweredTable, reduction_w
from ampacity.operations.limit_shifts import laid_overrides, overridden_w
from ampacity.operations.shares import KIND_OF, whole_watts
from ampacity.people import LimitChange
from ampacity.ports import (
    CapacityTable,
    EmergencyWriter,
    Floats,
    Gate,
    GridStore,
    Held,
    JsonObject,
    RequestStore,
    Steps,
)
from ampacity.timegrid import Window, quarter_at

Tables = Sequence[tuple[LoweredTable, tuple[int, ...]]]


@dataclass(frozen=True, kw_only=True)
class LimitMove:
    """An override that comes, or one that is taken away before its end."""

    change: LimitChange  # as it is while it holds
    is_withdrawn: bool = False


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Headroom (E, 3, T) under the changed limit, and by how much that of its element moved, (3, T) [W]."""

    covers: Window
    room_w: Floats
    moved_w: Floats


async def override_at_once(
    move: LimitMove, *, now: datetime, power_factor: float, grid: GridStore, requests: RequestStore
) -> Imposed:
    """Decide under the changed limit: who must give back is lowered, what is added is shared out; all are told.

    Raises:
        NotReady: nothing was decided yet that could be changed.
    """
    change = move.change
    async with requests.gate(alone=True) as gate:
        version, network = await grid.version(), await grid.network()
        rooms = await rooms_moved(move, gate, network, now=now, power_factor=power_factor, grid=grid, requests=requests)
        tables = await tables_moved(move, gate, network, rooms, requests, now)
        async with gate.impose(now, "override") as writer:
            await writer.rests_on(version)
            for direction, moved in rooms.items():
                steps = Steps(first=moved.covers.first, count=moved.covers.count)
                await writer.headroom(direction, steps, moved.room_w)
            messages = await _tell(writer, tables, now, change.reason)
            told = {g for _, groups in tables for g in groups}
            fell_w, rose_w = _most(tables, 1.0), _most(tables, -1.0)
            summary: JsonObject = {
                "element_id": change.element_id, "limit": change.limit_no, "limit_w": change.limit_w,
                "from": change.starts_at.isoformat(), "until": change.ends_at.isoformat(), "reason": change.reason,
                "withdrawn": move.is_withdrawn, "groups": len(told), "lowered_w": fell_w, "raised_w": rose_w,
            }  # fmt: skip
            await writer.finish(summary, {})
            return Imposed(decision_id=writer.decision_id, groups=len(told), messages=messages, lowered_w=fell_w)


async def rooms_moved(
    move: LimitMove,
    gate: Gate,
    network: Network,
    *,
    now: datetime,
    power_factor: float,
    grid: GridStore,
    requests: RequestStore,
) -> dict[Direction, Moved]:
    """Headroom as it holds, moved to the changed limit; where an emergency holds, the lower limit of the two."""
    change, rooms = move.change, {}
    e, rated_w = change.element_no, np.asarray(network.limit_w(power_factor), np.float64)[change.element_no]
    running = [m for m in await requests.emergencies(now) if m.element_no == e]
    for direction in Direction:
        found = await gate.headroom(direction, now)
        if found is None:
            raise NotReady("nothing was decided yet that could be changed: run a cycle first")
        covers, before_w = found
        then, known = await grid.limit_changes(covers, covers.start_moment), await grid.limit_changes(covers, now)
        others = laid_overrides(then, known, e, without=change.limit_no)
        both = sorted([*others, change], key=lambda c: (c.set_at, c.limit_no))
        first = quarter_at(now)
        limits = [overridden_w(rated_w, laid, covers) for laid in (others, both)]
        for emergency in running:
            limits = [w - reduction_w(covers, network, w, emergency, first) for w in limits]
        step_w = (limits[0] - limits[1] if move.is_withdrawn else limits[1] - limits[0]) * (covers.quarters() >= first)
        room_w = before_w.copy()
        room_w[e] += step_w.astype(room_w.dtype)
        rooms[direction] = Moved(covers=covers, room_w=room_w, moved_w=room_w[e] - before_w[e])
    return rooms


async def tables_moved(
    move: LimitMove,
    gate: Gate,
    network: Network,
    rooms: Mapping[Direction, Moved],
    requests: RequestStore,
    now: datetime,
) -> Tables:
    """What groups may use under the changed limit."""
    groups = len(network.groups)
    held = await gate.capacities(groups, now)
    asked = {d: await requests.held(KIND_OF[d], groups, moved.covers) for d, moved in rooms.items()}
    return shared_again(network, move.change.element_no, rooms, held, asked, now)


def shared_again(
    network: Network,
    element_no: int,
    rooms: Mapping[Direction, Moved],
    held: Mapping[ForecastKind, CapacityTable],
    asked: Mapping[Direction, Held],
    now: datetime,
) -> Tables:
    """The capacities that change, and whose they are: nobody falls but where headroom is short.

    What is added goes to the groups behind the element, by contract, and never beyond what was added:
    what the cycle kept back for requests stays kept back.
    """
    tables: list[tuple[LoweredTable, tuple[int, ...]]] = []
    for direction, moved in rooms.items():
        table, groups = _shared(network, element_no, moved, held[KIND_OF[direction]], asked[direction], now, direction)
        tables.append((table, groups))
        if direction is Direction.IMPORT and ForecastKind.OPTIMUM in held:
            tables.append(_optimum_inside(held[ForecastKind.OPTIMUM], table, groups))
    return [(table, groups) for table, groups in tables if groups]


def _shared(
    network: Network, element_no: int, moved: Moved, table: CapacityTable, asked: Held, now: datetime,
    direction: Direction,
) -> tuple[LoweredTable, tuple[int, ...]]:  # fmt: skip
    covers = moved.covers
    first = max(quarter_at(now), covers.first, table.steps.first)
    count = max(0, min(covers.end, table.steps.first + table.steps.count) - first)
    held = slice(first - table.steps.first, first - table.steps.first + count)
    ahead = slice(first - covers.first, first - covers.first + count)
    held_w = np.nan_to_num(table.capacity_w[:, held]).astype(np.float64)
    room_w = moved.room_w[:, :, ahead].astype(np.float64)
    contract_w = np.asarray(network.contracted_w(direction), np.float64)
    firm_w = np.repeat(network.firm_w(direction)[:, None], count, axis=1)
    where = (network.parent, network.element, np.asarray(network.phase_share, np.float64), contract_w)
    lower = allocate(room_w, *where, np.minimum(firm_w, held_w), held_w)
    kept_w = np.where(lower.allocated_w < held_w, whole_watts(lower.allocated_w), held_w)
    left_w = room_w - element_load_w(kept_w, *where[:3])
    added_w = moved.moved_w[:, ahead].clip(min=0).astype(np.float64)
    left_w[element_no] = np.minimum(left_w[element_no], added_w)
    most_w = np.fmin(contract_w[:, None], asked.returned_w[:, ahead])
    room_to_rise_w = np.where(_behind(network, element_no)[:, None], most_w - kept_w, 0.0).clip(min=0)
    more = allocate(left_w, *where, np.zeros_like(kept_w), room_to_rise_w)
    after_w = kept_w + whole_watts(more.allocated_w)
    groups = np.flatnonzero((after_w != held_w).any(axis=1))
    fell, rose = after_w < held_w, after_w > held_w
    bound_by = np.where(fell, lower.bound_by, np.where(rose, more.bound_by, table.bound_by[:, held]))
    changed = LoweredTable(
        kind=table.kind, steps=Steps(first=first, count=count), capacity_w=after_w[groups],
        bound_by=bound_by[groups].astype(np.int64), fell_w=(held_w - after_w)[groups],
    )  # fmt: skip
    return changed, tuple(int(g) for g in groups)


def _behind(network: Network, element_no: int) -> Floats:
    """Whether a group is connected at or below an element, (G,)."""
    at = network.element.copy()
    behind = at == element_no
    while (at >= 0).any():
        at = np.where(at >= 0, network.parent[at], -1)
        behind |= at == element_no
    found: Floats = behind
    return found


def _optimum_inside(
    optimum: CapacityTable, table: LoweredTable, groups: tuple[int, ...]
) -> tuple[LoweredTable, tuple[int, ...]]:
    """The optimum of those who fell, nowhere above what they may use; whoever rose keeps it until the next cycle."""
    shift = table.steps.first - optimum.steps.first
    before_w = np.nan_to_num(optimum.capacity_w[list(groups), shift : shift + table.steps.count])
    after_w = np.minimum(before_w, table.capacity_w)
    rows = np.flatnonzero((after_w < before_w).any(axis=1))
    inside = replace(
        table, kind=ForecastKind.OPTIMUM, capacity_w=after_w[rows], bound_by=table.bound_by[rows],
        fell_w=(before_w - after_w)[rows],
    )  # fmt: skip
    return inside, tuple(groups[r] for r in rows)


async def _tell(writer: EmergencyWriter, tables: Tables, now: datetime, reason: str) -> int:
    messages = 0
    for table, groups in tables:
        await writer.capacities(table, groups)
        fell = [g for g, fell_w in zip(groups, table.fell_w, strict=True) if (fell_w > 0).any()]
        if fell:
            await writer.revoke(table.kind, fell, now, reason)
        messages += await writer.send(table.kind, groups)
    return messages


def _most(tables: Tables, sign: float) -> float:
    """The most in a quarter hour that groups together lost, or with -1 gained."""
    sums = [
        float((sign * t.fell_w).clip(min=0).sum(axis=0).max(initial=0.0))
        for t, _ in tables
        if t.kind is not ForecastKind.OPTIMUM
    ]
    return round(max(sums, default=0.0), 1)
