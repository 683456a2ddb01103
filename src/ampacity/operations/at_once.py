"""A lower limit counts at once: what is out is shared anew, nobody gets more, and who gets less is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import allocate
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.decide import FALLBACK_OF, KIND_OF, whole_watts
from ampacity.operations.limit_shifts import LimitShifts, limit_shifts
from ampacity.people import LimitChange
from ampacity.ports import (
    CapacityTable,
    ConnectedPeers,
    Floats,
    Gate,
    GridStore,
    JsonObject,
    RequestStore,
    RequestWriter,
    Steps,
)
from ampacity.timegrid import Window, quarter_at

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class AtOncePorts:
    """What deciding at once needs of the outside world."""

    grid: GridStore
    requests: RequestStore
    peers: ConnectedPeers


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """What becomes of one kind of capacity: rows of `table` are the groups that get less."""

    groups: Sequence[int]
    table: CapacityTable
    before_w: Floats  # as table.capacity_w


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """What a lower limit does at once."""

    lowered: Sequence[Lowered]
    headroom_w: Sequence[tuple[Direction, bool, Steps, Floats]]  # direction, fallback?, steps, of the element (3, S)

    def lost_wh(self) -> dict[int, float]:
        """By how much less energy each group may draw [Wh], by its number."""
        lost: dict[int, float] = {}
        for part in self.lowered:
            if part.table.kind is ForecastKind.CONSUMPTION:
                less_wh = (part.before_w - part.table.capacity_w).sum(axis=1) * part.table.steps.quarters / 4.0
                lost.update(zip(part.groups, less_wh.tolist(), strict=True))
        return lost


async def effect_at_once(now: datetime, change: LimitChange, *, ports: AtOncePorts, power_factor: float) -> AtOnce:
    """What a limit that is not set yet would do; nothing is changed."""
    network = await ports.grid.network()
    async with ports.requests.gate() as gate:
        return await _effect(now, change, network, gate, ports.grid, power_factor)


async def decide_at_once(now: datetime, change: LimitChange, *, ports: AtOncePorts, power_factor: float) -> AtOnce:
    """Share anew under a limit that holds now; a limit that lowers nothing waits for the next cycle."""
    network = await ports.grid.network()
    connected = set(await ports.peers.connected_providers())
    async with ports.requests.gate() as gate:
        effect = await _effect(now, change, network, gate, ports.grid, power_factor)
        if effect.headroom_w:
            async with gate.decide(now, {"limit": change.limit_no}, kind=change.kind.value) as writer:
                await _write(writer, effect, network, change, connected)
    return effect


async def _effect(
    now: datetime, change: LimitChange, network: Network, gate: Gate, grid: GridStore, power_factor: float
) -> AtOnce:
    tables = await gate.capacities(len(network.groups), now)
    lowered: dict[ForecastKind, Lowered] = {}
    rooms: list[tuple[Direction, bool, Steps, Floats]] = []
    for direction in Direction:
        for is_fallback, kind in ((False, KIND_OF[direction]), (True, FALLBACK_OF[direction])):
            found = await (_fallback(gate, direction, now) if is_fallback else _headroom(gate, direction, now))
            table = tables.get(kind)
            if found is None or table is None:
                continue
            steps, headroom_w = found
            shift_w = await _shift(now, change, network, grid, power_factor, steps)
            if not (shift_w < 0).any():
                continue
            headroom_w[change.element_no] += shift_w
            rooms.append((direction, is_fallback, steps, headroom_w[change.element_no]))
            lowered[kind] = _share_anew(
                network, direction, table, steps, headroom_w, np.asarray((shift_w < 0).any(axis=0))
            )
    best = tables.get(ForecastKind.OPTIMUM)
    if best is not None and ForecastKind.CONSUMPTION in lowered:
        lowered[ForecastKind.OPTIMUM] = _optimum_inside(best, lowered[ForecastKind.CONSUMPTION])
    return AtOnce(lowered=[p for p in lowered.values() if p.groups], headroom_w=rooms)


async def _headroom(gate: Gate, direction: Direction, now: datetime) -> tuple[Steps, Floats] | None:
    room = await gate.headroom(direction, now)
    return None if room is None else (Steps(first=room[0].first, count=room[0].count), room[1])


async def _fallback(gate: Gate, direction: Direction, now: datetime) -> tuple[Steps, Floats] | None:
    return await gate.fallback_headroom(direction, now)


async def _shift(
    now: datetime, change: LimitChange, network: Network, grid: GridStore, power_factor: float, steps: Steps
) -> Floats:
    """By how much the change lowers the element's limit per step from now on [W], (3, S), 0 or less."""
    window = Window(steps.first, steps.count * steps.quarters)
    others = [c for c in await grid.limit_changes(window, now) if c.limit_no != change.limit_no]
    rated_w = network.limit_w(power_factor)
    without = _over(limit_shifts(rated_w, others, window), change.element_no, steps)
    within = _over(limit_shifts(rated_w, [*others, change], window), change.element_no, steps)
    shift_w = np.minimum(within - without, 0.0)
    passed = np.arange(steps.count) * steps.quarters + steps.first + steps.quarters <= quarter_at(now)
    return np.where(passed, 0.0, shift_w)


def _over(shifts: LimitShifts, element_no: int, steps: Steps) -> Floats:
    return shifts.over(element_no, steps) if element_no in shifts.by_element else np.zeros((3, steps.count))


def _share_anew(
    network: Network, direction: Direction, table: CapacityTable, room: Steps, headroom_w: Floats, lower: Bools
) -> Lowered:
    """Fill what every group has anew into the headroom that is left, in the steps in which it is less."""
    shift = (table.steps.first - room.first) // room.quarters
    held_w = np.nan_to_num(table.capacity_w).astype(float)
    steps = np.array([s for s in range(table.steps.count) if 0 <= s + shift < room.count and lower[s + shift]], int)
    firm_w = np.minimum(network.firm_w(direction)[:, None], held_w[:, steps])
    found = allocate(
        headroom_w[:, :, steps + shift], network.parent, network.element, network.phase_share,
        network.contracted_w(direction), firm_w, held_w[:, steps],
    )  # fmt: skip
    after_w, bound_by = table.capacity_w.copy(), table.bound_by.copy()
    now_w = whole_watts(found.allocated_w)
    less = now_w < table.capacity_w[:, steps]
    after_w[:, steps] = np.where(less, now_w, table.capacity_w[:, steps])
    bound_by[:, steps] = np.where(less, found.bound_by, table.bound_by[:, steps])
    groups = np.flatnonzero(less.any(axis=1)).tolist()
    rows = replace(table, capacity_w=after_w[groups], bound_by=bound_by[groups])
    return Lowered(groups=groups, table=rows, before_w=table.capacity_w[groups])


def _optimum_inside(best: CapacityTable, consumption: Lowered) -> Lowered:
    before_w = best.capacity_w[consumption.groups]
    after_w = np.fmin(before_w, consumption.table.capacity_w) if best.steps == consumption.table.steps else before_w
    rows = replace(best, capacity_w=after_w, bound_by=best.bound_by[consumption.groups])
    return Lowered(groups=consumption.groups, table=rows, before_w=before_w)


async def _write(
    writer: RequestWriter, effect: AtOnce, network: Network, change: LimitChange, connected: set[int]
) -> None:
    provider = {p.provider_id: i for i, p in enumerate(network.providers)}
    for direction, is_fallback, steps, headroom_w in effect.headroom_w:
        await writer.headroom(direction, steps, headroom_w[None], fallback=is_fallback, first_no=change.element_no)
    told: Mapping[str, int] = {}
    for part in effect.lowered:
        await writer.capacities(part.table, part.groups)
        online = [g for g in part.groups if provider[network.groups[g].provider_id] in connected]
        told = {**told, part.table.kind.value: await writer.send(part.table.kind, online)}
    summary: JsonObject = {
        "limit": change.limit_no, "element_id": change.element_id, "limit_w": change.limit_w,
        "groups": len({g for part in effect.lowered for g in part.groups}), "sent": dict(told),
    }  # fmt: skip
    await writer.finish(summary, {})
