"""One publication cycle: settle, forecast, headroom, allocate, decide and record; sending follows from the outbox."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

import msgspec
import numpy as np

from ampacity.errors import NotReady
from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import away_groups
from ampacity.operations.bases import Bases
from ampacity.operations.decide import KIND_OF, Before, Decided, Outlook, decide
from ampacity.operations.deliver import due
from ampacity.operations.emergency import restrained
from ampacity.operations.forecast import forecasts
from ampacity.operations.forecast_plan import Plan, make_plan
from ampacity.operations.lend import needed
from ampacity.operations.outlook import Gathered, kept_levels
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settle_usage import settle_usage
from ampacity.operations.settled_loads import GROUPS_AT_ONCE
from ampacity.operations.stages import Stages
from ampacity.operations.summary import Messages, summarise
from ampacity.ports import (
    CapacityTable,
    ConnectedPeers,
    CycleRecord,
    CycleStore,
    DecisionWriter,
    Floats,
    GridStore,
    Held,
    JsonObject,
    RequestStore,
    Usage,
)
from ampacity.timegrid import QUARTERS_PER_DAY, Window, floor_quarter


@dataclass(frozen=True, kw_only=True)
class CyclePorts:
    """What a cycle needs of the outside world."""

    grid: GridStore
    cycles: CycleStore
    requests: RequestStore
    peers: ConnectedPeers
    usage: Usage
    bases: Bases = field(default_factory=Bases)  # kept from cycle to cycle


async def run_cycle(
    at: datetime, *, ports: CyclePorts, forecast: ForecastSettings, cycle: CycleSettings
) -> CycleRecord:
    """Decide the quarter hour in which a moment lies, once; gives the decision, whoever made it.

    Raises:
        NotReady: another server is at it, or there is no grid yet.
        Conflict: another server took the slot over meanwhile.
    """
    slot = floor_quarter(at)
    holder = uuid4()
    if not await ports.cycles.claim_cycle(slot, holder, cycle.lease):
        decided = await ports.cycles.decided_cycle(slot)
        if decided is None:
            raise NotReady(f"the cycle of {slot.isoformat()} is being decided by another server")
        return decided
    try:
        await _decide_slot(slot, holder=holder, ports=ports, forecast=forecast, cycle=cycle)
    except BaseException:
        await asyncio.shield(ports.cycles.release_cycle(slot, holder))
        raise
    record = await ports.cycles.decided_cycle(slot)
    assert record is not None
    return record


async def _decide_slot(
    slot: datetime, *, holder: UUID, ports: CyclePorts, forecast: ForecastSettings, cycle: CycleSettings
) -> None:
    stages = Stages()
    with stages.during("settle use"):
        await settle_usage(ports.usage, slot)
    with stages.during("read"):
        grid = await ports.grid.version()
        plan = await make_plan(slot, grid=ports.grid, cycles=ports.cycles, forecast=forecast, cycle=cycle)
        need_wh = await _daily_need(plan, ports.grid)
    settings: JsonObject = {"cycle": msgspec.to_builtins(cycle), "risk": forecast.risk, "zone": forecast.zone.key}
    async with ports.cycles.decide_cycle(slot, holder, slot, settings) as writer:
        gathered = Gathered(plan)
        blocks = forecasts(plan, grid=ports.grid, cycles=ports.cycles, stages=stages, bases=ports.bases)
        async for block in blocks:
            await ports.cycles.renew_cycle(slot, holder, cycle.lease)
            with stages.during("headroom"):
                await asyncio.to_thread(gathered.add, block)
            with stages.during("write"):
                await writer.forecast(block.elements.start, block.forecast, kept_levels(forecast, slot))
        outlook = replace(gathered.outlook(need_wh), need_cap_w=await _needed(plan, ports))
        with stages.during("wait for requests"):
            await writer.close_gate()
            await writer.rests_on(grid, need_wh, outlook.need_cap_w)
            held = await _held(plan, ports.requests)
            audience = await _audience(ports.peers)  # who connects from now on is told after the commit
            away = await away_groups(plan.network, outlook.steps, ports.peers)
            imposed = await ports.requests.emergencies(slot)
            told = await ports.cycles.newest_capacities(len(plan.network.groups), slot)
        outlook = restrained(outlook, plan.network, plan.limit_w, imposed, plan.shifts)
        with stages.during("allocate"):
            decided = await asyncio.to_thread(
                decide, plan.network, outlook, held, Before(capacities=told, rules=cycle.smoothing), away
            )
        with stages.during("write"):
            if away is not None:
                await writer.away(away)
            await _write(writer, outlook, decided)
            messages = await _send(writer, plan.network, decided, told, audience)
        await writer.finish(summarise(plan, gathered, decided, messages, away), stages.seconds)


async def _needed(plan: Plan, ports: CyclePorts) -> Floats | None:
    told = await ports.cycles.newest_capacities(len(plan.network.groups), plan.made_at)
    return await needed(plan, told.get(ForecastKind.CONSUMPTION), ports.grid)


async def _held(plan: Plan, requests: RequestStore) -> dict[Direction, Held]:
    window = Window(plan.origin, plan.cycle.horizon)
    return {d: await requests.held(KIND_OF[d], len(plan.network.groups), window) for d in Direction}


async def _daily_need(plan: Plan, grid: GridStore) -> Floats:
    """Energy a day that each group is expected to want [Wh], (G,): the last week's mean, else a usual one."""
    need_wh = plan.network.contracted_w(Direction.IMPORT) * plan.cycle.usual_need_h
    if await grid.load_span("group") is None:
        return need_wh
    week = Window(plan.origin - 7 * QUARTERS_PER_DAY, 7 * QUARTERS_PER_DAY)
    for first in range(0, len(need_wh), GROUPS_AT_ONCE):
        groups = range(first, min(first + GROUPS_AT_ONCE, len(need_wh)))
        used_w = (await grid.loads("group", groups, week, plan.made_at)).sum(axis=1)
        known = (~np.isnan(used_w)).sum(axis=1) >= QUARTERS_PER_DAY
        need_wh[first : groups.stop][known] = np.maximum(np.nanmean(used_w[known], axis=1), 0.0) * 24.0
    return need_wh


async def _write(writer: DecisionWriter, outlook: Outlook, decided: Decided) -> None:
    """Write headroom and capacities."""
    for direction, headroom_w in outlook.headroom_w.items():
        await writer.headroom(direction, outlook.steps, headroom_w)
        await writer.pool(direction, outlook.steps, outlook.pool_w[direction])
    for direction, headroom_w in outlook.fallback_headroom_w.items():
        await writer.headroom(direction, outlook.fallback_steps, headroom_w, fallback=True)
    for table in decided.tables:
        await writer.capacities(table)


@dataclass(frozen=True, kw_only=True)
class _Audience:
    """Providers that are told, and those of them that want to be told all."""

    connected: Collection[int]
    insistent: Collection[int]


async def _audience(peers: ConnectedPeers) -> _Audience:
    return _Audience(connected=await peers.connected_providers(), insistent=await peers.told_each_cycle())


async def _send(
    writer: DecisionWriter,
    network: Network,
    decided: Decided,
    before: Mapping[ForecastKind, CapacityTable],
    audience: _Audience,
) -> Messages:
    """Write the messages that are due."""
    number = {p.provider_id: i for i, p in enumerate(network.providers)}
    owner = [number[group.provider_id] for group in network.groups]
    online = np.isin(owner, list(audience.connected))
    insistent = np.isin(owner, list(audience.insistent))
    told_until = await writer.told_until([t.kind for t in decided.tables], len(owner))
    messages = Messages(sent={}, held_back={})
    for table in decided.tables:
        wanted = online & (insistent | due(table, before.get(table.kind), told_until[table.kind]))
        messages.sent[table.kind.value] = await writer.send(table.kind, np.flatnonzero(wanted).tolist())
        messages.held_back[table.kind.value] = int((online & ~wanted).sum())
    return messages
