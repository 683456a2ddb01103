"""Decides batches of independent trees while forecasts of others are still made.

Requests go on being decided meanwhile.  Before a cycle is committed the gate is closed, and the
batches in which something was decided since are decided again, from the headroom that was written:
the result is that of deciding all at once behind the closed gate.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ampacity.allocation import Smoothing
from ampacity.errors import Conflict
from ampacity.network import Direction, ForecastKind, Network
from ampacity.network.batches import Batch
from ampacity.operations.away import away_groups
from ampacity.operations.block_forecast import BlockForecast
from ampacity.operations.decide import FALLBACK_OF, KIND_OF, Before, Decided, Outlook, decide
from ampacity.operations.deliver import Changes
from ampacity.operations.emergency import restrained
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.lapse import ended_of
from ampacity.operations.limit_shifts import LimitShifts
from ampacity.operations.outlook import Gathered
from ampacity.operations.rooms import cycle_steps
from ampacity.operations.stages import Stages
from ampacity.operations.summary import Sums
from ampacity.ports import (
    AwayGroups,
    CapacityTable,
    ConnectedPeers,
    CycleStore,
    DecisionWriter,
    Emergency,
    Engine,
    Floats,
    Held,
    RequestStore,
    RunningGrant,
)
from ampacity.timegrid import Window

ROUNDS = 2  # of catching up while requests are still decided
BLOCKS_WAITING = 16  # forecasts that wait to be written, some megabytes each

_SHARED = (*KIND_OF.values(), ForecastKind.OPTIMUM)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was decided before, of all groups, up to a place in the chain."""

    up_to: int
    held: Mapping[Direction, Held]
    told: Mapping[ForecastKind, CapacityTable]
    imposed: Sequence[Emergency]
    away: AwayGroups | None = None
    lapsed: Sequence[RunningGrant] = ()  # grants that the cycle ends: `held` is without them

    def of(self, batch: Batch) -> "Known":
        """What concerns a batch of trees, by the numbers that its elements and groups have there."""
        rows = batch.group_rows
        place = {int(e): i for i, e in enumerate(batch.elements)} if self.imposed else {}
        return replace(
            self,
            held={d: Held(granted_w=h.granted_w[rows], returned_w=h.returned_w[rows]) for d, h in self.held.items()},
            told={
                kind: replace(table, capacity_w=table.capacity_w[rows], bound_by=table.bound_by[rows])
                for kind, table in self.told.items()
            },
            imposed=[replace(e, element_no=place[e.element_no]) for e in self.imposed if e.element_no in place],
            away=None if self.away is None else _away_of(self.away, batch),
        )


def _away_of(away: AwayGroups, batch: Batch) -> AwayGroups | None:
    inside = np.isin(away.groups, batch.groups, assume_unique=True)
    if not inside.any():
        return None
    return AwayGroups(
        groups=np.searchsorted(batch.groups, away.groups[inside]),
        quarters=away.quarters[inside],
        told_w={d: told_w[inside] for d, told_w in away.told_w.items()},
    )


async def known_now(
    plan: Plan,
    cycles: CycleStore,
    requests: RequestStore,
    lapsed: Sequence[RunningGrant] = (),
    kinds: Collection[ForecastKind] = _SHARED,
) -> Known:
    """What was decided until now; what is decided while this is read is found by its place in the chain.

    Fallbacks are asked for only where somebody is away: they reach far, and are large.
    """
    up_to = await cycles.chain_length()
    groups, window = len(plan.network.groups), Window(plan.origin, plan.cycle.horizon)
    without = [g.request_no for g in lapsed]
    return Known(
        up_to=up_to,
        held={d: await requests.held(KIND_OF[d], groups, window, without) for d in Direction},
        told=await cycles.newest_capacities(groups, plan.made_at, kinds),
        imposed=await requests.emergencies(plan.made_at),
        lapsed=lapsed,
    )


def decide_part(
    network: Network, limit_w: Floats, shifts: LimitShifts, outlook: Outlook, known: Known, rules: Smoothing
) -> tuple[Outlook, Decided]:
    """The decision on a grid, or on a part of it that is whole trees, and the outlook that it rests on.

    Args:
        network: The grid.
        limit_w: What its elements may carry [W], (E, 3).
        shifts: By how much overrides differ from that; the outlook has them in already.
        outlook: Of its elements, before what emergencies take.
        known: Of its groups.
        rules: How steady to be.
    """
    outlook = restrained(outlook, network, limit_w, known.imposed, shifts)
    return outlook, decide(network, outlook, known.held, Before(capacities=known.told, rules=rules), known.away)


class TreeDecider:
    """Decides and writes batch after batch, one at a time."""

    def __init__(
        self, plan: Plan, batches: Sequence[Batch], writer: DecisionWriter, stages: Stages, known: Known, engine: Engine
    ) -> None:
        self._plan, self._batches, self._writer, self._stages, self._engine = plan, batches, writer, stages, engine
        self._writing = asyncio.Semaphore(2)  # the one is packed while the other is written
        self._known = known
        self._under_way: asyncio.Task[None] | None = None  # the shares of a batch
        self._written: asyncio.Task[None] | None = None  # and the writing of the one before
        self._keeping: deque[asyncio.Task[None]] = deque()  # forecasts, in the order in which they were made
        self._changes = Changes(len(plan.network.groups))
        self._allocated_w = np.zeros(len(plan.network.groups))
        provider = {p.provider_id: i for i, p in enumerate(plan.network.providers)}
        self._owner = np.array([provider[g.provider_id] for g in plan.network.groups], np.int64)

    async def begin(self, peers: ConnectedPeers, cycles: CycleStore) -> AwayGroups | None:
        """Look who is not connected, and is planned with its fallback."""
        away = await away_groups(self._plan.network, cycle_steps(self._plan), peers)
        self._known = replace(self._known, away=away)
        if away is not None:
            await self._writer.away(away)
            groups, kinds = len(self._plan.network.groups), tuple(FALLBACK_OF.values())
            fallbacks = await cycles.newest_capacities(groups, self._plan.made_at, kinds)
            self._known = replace(self._known, told={**self._known.told, **fallbacks})
        return away

    async def keep(self, block: BlockForecast, levels: Sequence[float]) -> None:
        """Write the forecast of a block, beside what is calculated meanwhile."""
        self._later(self._writer.forecast, block.elements.start, block.forecast, levels)
        while len(self._keeping) > BLOCKS_WAITING:
            await self._keeping.popleft()

    def _later(self, write: Callable[..., Awaitable[None]], *what: object, **how: object) -> asyncio.Task[None]:
        task = asyncio.create_task(self._in_turn(write, *what, **how))
        self._keeping.append(task)
        return task

    async def _in_turn(self, write: Callable[..., Awaitable[None]], *what: object, **how: object) -> None:
        async with self._writing:
            with self._stages.during("write"):
                await write(*what, **how)

    async def start(self, batch: Batch, outlook: Outlook) -> None:
        """Begin with a batch, when the shares of the one before are done; it is written meanwhile."""
        if self._under_way is not None:
            await self._under_way
        self._under_way = asyncio.create_task(self._decide(batch, outlook))

    async def done(self) -> None:
        """Wait for what is under way."""
        if self._under_way is not None:
            await self._under_way
        if self._written is not None:
            await self._written
        while self._keeping:
            await self._keeping.popleft()

    async def stop(self) -> None:
        """Leave what is under way."""
        tasks = [task for task in (self._under_way, self._written, *self._keeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _decide(self, batch: Batch, outlook: Outlook, *, again: bool = False) -> None:
        known = replace(self._known, imposed=()) if again else self._known  # what was written is restrained already
        with self._stages.during("allocate"):
            part = await asyncio.to_thread(batch.part, self._plan.network)
            limit_w, rules = self._plan.limit_w[batch.elements], self._plan.cycle.smoothing
            shifts = self._plan.shifts.among(batch.elements)
            outlook, here = await self._engine.run(decide_part, part, limit_w, shifts, outlook, known.of(batch), rules)
            decided = Decided(tables=tuple(replace(t, bound_by=batch.in_the_whole(t.bound_by)) for t in here.tables))
        if self._written is not None:
            await self._written
        self._written = asyncio.create_task(self._write(batch, None if again else outlook, decided))

    def _write_headroom(self, batch: Batch, outlook: Outlook) -> Iterator[asyncio.Task[None]]:
        writer, elements = self._writer, batch.elements
        for direction, headroom_w in outlook.headroom_w.items():
            yield self._later(writer.headroom, direction, outlook.steps, headroom_w, elements=elements)
            yield self._later(writer.pool, direction, outlook.steps, outlook.pool_w[direction], elements=elements)
        for direction, headroom_w in outlook.fallback_headroom_w.items():
            steps = outlook.fallback_steps
            yield self._later(writer.headroom, direction, steps, headroom_w, elements=elements, fallback=True)

    async def _write(self, batch: Batch, outlook: Outlook | None, decided: Decided) -> None:
        """Write what was decided of a batch, and the outlook that is not written yet."""
        writing = [] if outlook is None else list(self._write_headroom(batch, outlook))
        before = self._known.of(batch).told
        for table in decided.tables:
            writing.append(self._later(self._writer.capacities, table, batch.groups))
            self._changes.note(table, before.get(table.kind), batch.groups)
        consumption = decided.table(ForecastKind.CONSUMPTION)
        assert consumption is not None
        self._allocated_w[batch.group_rows] = consumption.capacity_w[:, 0]
        for each in writing:
            await each

    async def close(
        self, gathered: Gathered, cycles: CycleStore, requests: RequestStore, peers: ConnectedPeers
    ) -> Sums:
        """Close the gate, with every batch decided from what was known then, and write the messages."""
        behind = len(self._batches) + 1
        for _ in range(ROUNDS):
            behind = await self._catch_up(gathered, cycles, requests, fewer_than=behind)
            if not behind:  # or where there is as much to be done as before: another round would gain nothing
                break
        with self._stages.during("wait for requests"):
            async with self._writing:
                await self._writer.close_gate()
        await self._catch_up(gathered, cycles, requests, fewer_than=len(self._batches) + 1)
        with self._stages.during("write"):
            async with self._writing:
                return await self._send(cycles, peers)

    async def _catch_up(
        self, gathered: Gathered, cycles: CycleStore, requests: RequestStore, *, fewer_than: int
    ) -> int:
        """Decide again where something was decided since, if in fewer batches than so many; gives in how many."""
        if not 0 < len(await self._touched(cycles)) < fewer_than:
            return 0
        kinds = _SHARED if self._known.away is None else tuple(ForecastKind)
        known = await known_now(self._plan, cycles, requests, self._known.lapsed, kinds)
        touched = await self._touched(cycles)  # as before; also where something was decided before that was read
        self._known = replace(known, away=self._known.away)
        async with self._writing:
            for batch in touched:
                await self._writer.withdraw(batch.groups)
        for batch in touched:
            with self._stages.during("read again"):
                outlook = await self._read_again(gathered.empty(batch), batch)
            await self._decide(batch, outlook, again=True)
        await self.done()
        return len(touched)

    async def _touched(self, cycles: CycleStore) -> list[Batch]:
        """Batches in which requests were decided since."""
        since = await cycles.decided_since(self._known.up_to)
        if any(kind != "request" for kind, _ in since):
            raise Conflict("an operator lowered capacities, or ended that, while the cycle was decided: decide again")
        groups = np.unique([group_no for _, group_no in since if group_no is not None]).astype(np.int64)
        return [batch for batch in self._batches if np.isin(groups, batch.groups, assume_unique=True).any()]

    async def _read_again(self, outlook: Outlook, batch: Batch) -> Outlook:
        """The outlook of a batch as it was written."""
        async with self._writing:
            for direction in Direction:
                name = direction.value
                await self._writer.read_headroom(name, batch.elements, outlook.headroom_w[direction])
                await self._writer.read_headroom(f"pool_{name}", batch.elements, outlook.pool_w[direction])
            for direction, far_w in outlook.fallback_headroom_w.items():
                await self._writer.read_headroom(f"fallback_{direction.value}", batch.elements, far_w)
            await self._writer.read_median(batch.elements, outlook.median_w)
        return outlook

    async def _send(self, cycles: CycleStore, peers: ConnectedPeers) -> Sums:
        """Write the messages that are due to who is connected now; who connects later is told after the commit."""
        connected, told_each = await peers.connected_providers(), await peers.told_each_cycle()
        online, insistent = (np.isin(self._owner, list(providers)) for providers in (connected, told_each))
        told_until = await cycles.told_until(self._changes.kinds, len(self._owner))
        sent, held_back = {}, {}
        for kind in self._changes.kinds:
            wanted = online & (insistent | self._changes.due(kind, told_until[kind]))
            ended = ended_of(self._known.lapsed, kind, np.flatnonzero(online))
            wanted[list(ended)] = True
            others = [g for g in np.flatnonzero(wanted).tolist() if g not in ended]
            sent[kind.value] = await self._writer.send(kind, others)
            for group_no, request_id in ended.items():
                sent[kind.value] += await self._writer.send(kind, [group_no], correlation_id=request_id)
            held_back[kind.value] = int((online & ~wanted).sum())
        return Sums(allocated_w=float(self._allocated_w.sum()), sent=sent, held_back=held_back)
