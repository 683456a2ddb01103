"""One publication cycle: settle, forecast, headroom, allocate, decide and record; sending follows from the outbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import msgspec
import numpy as np

from ampacity.errors import NotReady
from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction, ForecastKind
from ampacity.network.batches import tree_batches
from ampacity.operations.bases import Bases
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast import forecasts
from ampacity.operations.forecast_plan import Plan, make_plan
from ampacity.operations.help_out import SIGNS_OF_LIFE, Helper, help_out
from ampacity.operations.known import known_now
from ampacity.operations.lapse import lapsing
from ampacity.operations.lend import needed
from ampacity.operations.offer import Offer
from ampacity.operations.outlook import Gathered, Tally, kept_levels
from ampacity.operations.pace import Pace
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settle_usage import settle_usage
from ampacity.operations.settled_loads import GROUPS_AT_ONCE
from ampacity.operations.stages import Stages
from ampacity.operations.summary import LAPSED, summarise
from ampacity.operations.telling import Telling
from ampacity.operations.trees import TreeDecider
from ampacity.ports import (
    ConnectedPeers,
    CycleRecord,
    CycleStore,
    Engine,
    Floats,
    GridStore,
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
    engine: Engine = field(default_factory=LocalEngine)
    helper: Helper = field(default_factory=Helper)  # kept from cycle to cycle


async def run_cycle(
    at: datetime, *, ports: CyclePorts, forecast: ForecastSettings, cycle: CycleSettings
) -> CycleRecord:
    """Decide the quarter hour in which a moment lies, once; gives the decision, whoever made it.

    Where another server decides it this one helps it with the forecasts, as long as there are some to make.

    Raises:
        NotReady: another server is still at it, or there is no grid yet.
        Conflict: another server took the slot over meanwhile.
    """
    slot = floor_quarter(at)
    holder = uuid4()
    if not await ports.cycles.claim_cycle(slot, holder, cycle.lease):
        decided = await ports.cycles.decided_cycle(slot)
        if decided is None:
            await help_out(
                slot, helper=ports.helper, grid=ports.grid, cycles=ports.cycles, bases=ports.bases, engine=ports.engine,
                forecast=forecast, cycle=cycle,
            )  # fmt: skip
            decided = await ports.cycles.decided_cycle(slot)
        if decided is None:
            raise NotReady(f"the cycle of {slot.isoformat()} is being decided by another server")
        return decided
    try:
        async with _held(slot, holder, ports.cycles, cycle):
            await _decide_slot(slot, holder=holder, ports=ports, forecast=forecast, cycle=cycle)
    except BaseException:
        await asyncio.shield(ports.cycles.release_cycle(slot, holder))
        raise
    record = await ports.cycles.decided_cycle(slot)
    assert record is not None
    return record


@asynccontextmanager
async def _held(slot: datetime, holder: UUID, cycles: CycleStore, settings: CycleSettings) -> AsyncIterator[None]:
    """Hold a claimed slot while the block runs."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(settings.lease_s / SIGNS_OF_LIFE)
            await cycles.renew_cycle(slot, holder, settings.lease)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _decide_slot(
    slot: datetime, *, holder: UUID, ports: CyclePorts, forecast: ForecastSettings, cycle: CycleSettings
) -> None:
    stages = Stages()
    with stages.during("settle use"):
        await settle_usage(ports.usage, slot)
    with stages.during("read"):
        grid = await ports.grid.version()
        plan = await make_plan(slot, grid=ports.grid, cycles=ports.cycles, forecast=forecast, cycle=cycle)
        need_wh, need_cap_w = await _daily_need(plan, ports.grid), await _needed(plan, ports)
    settings: JsonObject = {"cycle": msgspec.to_builtins(cycle), "risk": forecast.risk, "zone": forecast.zone.key}
    async with ports.cycles.decide_cycle(slot, holder, slot, settings) as writer:
        trees = tree_batches(plan.network, cycle.elements_at_once)
        lapsed = await lapsing(plan, ports.grid, ports.cycles, ports.requests)
        known = await known_now(plan, ports.cycles, ports.requests, lapsed)
        telling = Telling(plan, writer, ports.cycles, ports.peers, lapsed)
        decider = TreeDecider(plan, trees, writer, stages, known, telling, ports.engine, Pace(ports.cycles))
        gathered, tally = Gathered(plan, trees, need_wh, need_cap_w), Tally()
        away = await decider.begin(ports.peers, ports.cycles)
        try:
            offer = Offer(slot=slot, holder=holder, sharing=ports.cycles.sharing, stages=stages)
            blocks = forecasts(
                plan, grid=ports.grid, cycles=ports.cycles, stages=stages, bases=ports.bases, engine=ports.engine,
                offer=offer,
            )  # fmt: skip
            async with aclosing(blocks):
                async for block in blocks:
                    await decider.keep(block, kept_levels(forecast, slot))
                    limit_w = plan.limit_w[block.elements.start : block.elements.stop]
                    await asyncio.to_thread(tally.add, block, limit_w)  # beside the event loop, which sends and reads
                    for batch, outlook in await asyncio.to_thread(gathered.add, block.room):
                        await decider.start(batch, outlook)
            await decider.done()
            decided = await decider.close(gathered, ports.cycles, ports.requests)
        finally:
            await decider.stop()
        await writer.rests_on(grid, need_wh, need_cap_w)
        for grant in lapsed:
            await writer.lapse(grant.request_no, slot, f"unused for {cycle.lapse_quarters} quarter hours")
        summary = summarise(plan, tally, decided, away)
        await writer.finish({**summary, LAPSED: [g.request_no for g in lapsed]}, stages.seconds)


async def _needed(plan: Plan, ports: CyclePorts) -> Floats | None:
    if not plan.cycle.lend_idle:
        return None
    kind = ForecastKind.CONSUMPTION
    told = await ports.cycles.newest_capacities(len(plan.network.groups), plan.made_at, (kind,))
    return await needed(plan, told.get(kind), ports.grid)


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
