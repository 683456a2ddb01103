"""Decides batches of independent trees while forecasts of others are still made.

Requests go on being decided meanwhile.  Before a cycle is committed the gate is closed, and the
batches in which something was decided since are decided again, from what is kept of them or from the headroom that
was written: the result is that of deciding all at once behind the closed gate.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ampacity.allocation import Smoothing
from ampacity.errors import Conflict
from ampacity.network import Direction, ForecastKind, Network
from ampacity.network.batches import Batch
from ampacity.operations.away import away_groups
from ampacity.operations.block_forecast import BlockForecast
from ampacity.operations.decide import FALLBACK_OF, Decided, decide
from ampacity.operations.decide_again import KeptBatch, KeptBatches, changed_rows, decide_again
from ampacity.operations.emergency import restrained
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.known import Known, Touched, learn_what_is_held
from ampacity.operations.limit_shifts import LimitShifts
from ampacity.operations.outlook import Gathered
from ampacity.operations.pace import Pace
from ampacity.operations.rooms import cycle_steps
from ampacity.operations.shares import Before, Outlook
from ampacity.operations.stages import Stages
from ampacity.operations.summary import Sums
from ampacity.operations.telling import Telling
from ampacity.ports import (
    AwayGroups,
    CapacityTable,
    ConnectedPeers,
    CycleStore,
    DecisionWriter,
    Engine,
    Floats,
    RequestStore,
)

T = TypeVar("T")

ROUNDS = 2  # of catching up while requests are still decided
BLOCKS_WAITING = 16  # forecasts that wait to be written, some megabytes each


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
        self, plan: Plan, batches: Sequence[Batch], writer: DecisionWriter, stages: Stages, known: Known,
        telling: Telling, engine: Engine, pace: Pace,
    ) -> None:  # fmt: skip
        self._plan, self._batches, self._writer, self._stages, self._engine = plan, batches, writer, stages, engine
        self._pace = pace
        self._writing = asyncio.Semaphore(2)  # the one is packed while the other is written
        self._known = known
        self._kept = KeptBatches()
        self._number = {batch: no for no, batch in enumerate(batches)}
        self._batch_of_group = np.empty(len(plan.network.groups), np.int64)
        for no, batch in enumerate(batches):
            self._batch_of_group[batch.groups] = no
        self._under_way: asyncio.Task[None] | None = None  # the shares of a batch
        self._written: asyncio.Task[None] | None = None  # and the writing of the one before
        self._keeping: deque[asyncio.Task[None]] = deque()  # forecasts, in the order in which they were made
        self._telling = telling
        self._allocated_w = np.zeros(len(plan.network.groups))

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
        if not again:
            with self._stages.during("make way"):
                await self._pace.rest()
        with self._stages.during("allocate"), self._pace.piece():
            part = await asyncio.to_thread(batch.part, self._plan.network)
            limit_w, rules = self._plan.limit_w[batch.elements], self._plan.cycle.smoothing
            shifts, here = self._plan.shifts.among(batch.elements), known.of(batch)
            outlook, decided = await self._engine.run(decide_part, part, limit_w, shifts, outlook, here, rules)
            self._kept.keep(self._number[batch], KeptBatch.of(part, outlook, decided, is_away=here.away is not None))
        await self._write_later(self._write(batch, None if again else outlook, decided))

    async def _decide_again(self, batch: Batch, kept: KeptBatch, touched: Touched) -> None:
        """Decide some quarters of a batch again; here, as it is less than to have it done elsewhere."""
        with self._stages.during("allocate"):
            rules = self._plan.cycle.smoothing
            decided = await asyncio.to_thread(decide_again, kept, self._known.of(batch), touched, rules)
            self._kept.keep(self._number[batch], kept.now(decided))
        await self._write_later(self._amend(batch, kept.decided, decided))

    async def _write_later(self, writing: Coroutine[None, None, None]) -> None:
        if self._written is not None:
            await self._written
        self._written = asyncio.create_task(writing)

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
        for table in self._noted(batch, decided):
            writing.append(self._later(self._writer.capacities, table, batch.groups))
        for each in writing:
            await each

    async def _amend(self, batch: Batch, before: Decided, now: Decided) -> None:
        """Write what is decided otherwise than before."""
        for table in self._noted(batch, now):
            await self._later(self._writer.amend, table, batch.groups, changed_rows(now, before, table.kind))

    def _noted(self, batch: Batch, decided: Decided) -> Iterator[CapacityTable]:
        """What was decided of a batch by the numbers of the whole grid, and noted for who is to be told."""
        before = self._known.of(batch).told
        for table in decided.tables:
            whole = replace(table, bound_by=batch.in_the_whole(table.bound_by))
            self._telling.note(whole, before.get(table.kind), batch.groups)
            if table.kind is ForecastKind.CONSUMPTION:
                self._allocated_w[batch.group_rows] = table.capacity_w[:, 0]
            yield whole

    async def close(self, gathered: Gathered, cycles: CycleStore, requests: RequestStore) -> Sums:
        """Close the gate, with every batch decided from what was known then, and write the messages."""
        behind = len(self._batches) + 1
        for _ in range(ROUNDS):
            behind = await self._catch_up(gathered, cycles, requests, fewer_than=behind)
            if not behind:  # or where there is as much to be done as before: another round would gain nothing
                break
        await self._tell(self._telling.write_most())
        await self._catch_up(gathered, cycles, requests)  # what came while these were written
        with self._stages.during("wait for requests"):
            async with self._writing:
                await self._writer.close_gate()
        await self._catch_up(gathered, cycles, requests)
        sums = await self._tell(self._telling.write_rest())
        return replace(sums, allocated_w=float(self._allocated_w.sum()))

    async def _tell(self, telling: Coroutine[None, None, T]) -> T:
        with self._stages.during("write"):
            async with self._writing:
                return await telling

    async def _catch_up(
        self, gathered: Gathered, cycles: CycleStore, requests: RequestStore, *, fewer_than: int | None = None
    ) -> int:
        """Decide again where something was decided since, if in fewer batches than so many; gives in how many."""
        since = await cycles.decided_since(self._known.up_to, self._plan.made_at)
        if any(each.kind != "request" for each in since):
            raise Conflict("an operator lowered capacities, or ended that, while the cycle was decided: decide again")
        if not since:
            return 0
        up_to = since[-1].seq
        known, touched = await learn_what_is_held(self._known, up_to, self._plan, requests, self._batch_of_group)
        anew = set(self._batch_of_group[[g for each in since for g in each.groups]].tolist())  # told otherwise before
        numbers = sorted(touched.keys() | anew)
        if not numbers or (fewer_than is not None and len(numbers) >= fewer_than):
            return 0
        if anew:
            kinds, groups = tuple(known.told), len(self._plan.network.groups)
            known = replace(known, told=await cycles.newest_capacities(groups, self._plan.made_at, kinds))
        self._known = known
        for no in numbers:
            batch, kept = self._batches[no], None
            if no not in anew:
                kept = self._kept.get(no, touched[no])
            if kept is not None:
                await self._decide_again(batch, kept, touched[no])
            else:
                await self._decide_anew(batch, gathered)
        await self.done()
        return len(numbers)

    async def _decide_anew(self, batch: Batch, gathered: Gathered) -> None:
        """Decide all of a batch again, from what was written of it."""
        async with self._writing:
            await self._writer.withdraw(batch.groups)
        with self._stages.during("read again"):
            outlook = await self._read_again(gathered.empty(batch), batch)
        await self._decide(batch, outlook, again=True)

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
