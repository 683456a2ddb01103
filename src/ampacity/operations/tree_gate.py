"""A gate seen from one tree: numbers of elements and groups are the tree's own, and no other tree is read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ampacity.network import Direction, ForecastKind, Network
from ampacity.network.batches import Batch
from ampacity.operations.kept_trees import Tree
from ampacity.ports import (
    CapacityTable,
    Floats,
    Gate,
    GridVersion,
    Ints,
    JsonObject,
    RequestOutcome,
    RequestWriter,
    WaitingRequest,
)
from ampacity.timegrid import Window


@dataclass(frozen=True, kw_only=True)
class TreeGate:
    """An open gate in the tree of one root."""

    gate: Gate
    tree: Tree

    @property
    def root_no(self) -> int:
        return self.tree.root_no

    @property
    def batch(self) -> Batch:
        return self.tree.batch

    @property
    def network(self) -> Network:
        """The tree as a grid of its own."""
        return self.tree.network

    async def waiting(self, kind: ForecastKind, groups: Sequence[int]) -> Sequence[WaitingRequest]:
        """What waits of a kind of these groups, by their numbers in the whole grid, in the order in which it came."""
        found = await self.gate.waiting(groups, kind)
        inside = np.searchsorted(self.batch.groups, [r.group_no for r in found]).tolist()
        return [replace(r, group_no=g) for r, g in zip(found, inside, strict=True)]

    async def instant(self, kind: ForecastKind, since: datetime) -> Mapping[int, float]:
        """What groups were given without waiting for a gate since a time [W]."""
        had_w = await self.gate.instant(kind, since)
        return {g: had_w[no] for g, no in enumerate(self.batch.groups.tolist()) if no in had_w}

    async def table(self, kind: ForecastKind, made_before: datetime) -> CapacityTable | None:
        """The capacities of a kind that hold; what bound them keeps its number in the whole grid."""
        return await self.gate.capacities_of(self.batch.groups, kind, made_before)

    async def is_forecast(self, made_before: datetime) -> bool:
        """Whether there are capacities of any kind."""
        some = self.batch.groups[:1]
        return any([await self.gate.capacities_of(some, kind, made_before) is not None for kind in ForecastKind])

    async def headroom(self, direction: Direction, made_before: datetime) -> tuple[Window, Floats] | None:
        """Headroom of the newest cycle [W], (E, 3, T) over its window; None where there is no cycle."""
        return await self.gate.headroom(direction, made_before, self.batch.elements)

    async def defer(self, request_no: int, at: datetime, detail: JsonObject) -> None:
        """Ask an operator about a request; `detail` says until when."""
        await self.gate.defer(request_no, at, detail)

    @asynccontextmanager
    async def decide(self, made_at: datetime, settings: JsonObject) -> AsyncIterator["TreeWriter"]:
        """Open a decision on requests of the tree."""
        async with self.gate.decide(made_at, settings) as writer:
            yield TreeWriter(writer, self.batch)


class TreeWriter:
    """Writes a decision on requests of one tree under the numbers of the whole grid."""

    def __init__(self, writer: RequestWriter, batch: Batch) -> None:
        self._writer = writer
        self._batch = batch

    async def rests_on(self, grid: GridVersion) -> None:
        await self._writer.rests_on(grid)

    async def outcomes(self, outcomes: Sequence[RequestOutcome], at: datetime) -> None:
        numbers = self._whole([o.request.group_no for o in outcomes])
        whole = [replace(o, request=replace(o.request, group_no=no)) for o, no in zip(outcomes, numbers, strict=True)]
        await self._writer.outcomes(whole, at)

    async def reserve(
        self, direction: Direction, elements: Ints, quarters: Ints, room_w: Floats, given_w: Floats, at: datetime
    ) -> None:
        """As of a `RequestWriter`, for these elements of the tree."""
        await self._writer.reserve(direction, quarters, room_w, given_w, at, self._batch.elements[elements])

    async def capacities(self, table: CapacityTable, groups: Sequence[int]) -> None:
        """Store capacities of these groups; what bound them has its number in the whole grid."""
        await self._writer.capacities(table, self._whole(groups))

    async def send(self, kind: ForecastKind, groups: Sequence[int]) -> None:
        await self._writer.send(kind, self._whole(groups))

    async def send_later(self, kind: ForecastKind, groups: Sequence[int], wait_s: float) -> None:
        """As of a `RequestWriter`."""
        await self._writer.send_later(kind, self._whole(groups), wait_s)

    async def answer(self, kind: ForecastKind, answers: Sequence[tuple[int, str]]) -> None:
        """As of a `RequestWriter`."""
        numbers = self._whole([g for g, _ in answers])
        await self._writer.answer(kind, list(zip(numbers, [request_id for _, request_id in answers], strict=True)))

    async def finish(self, summary: JsonObject) -> None:
        await self._writer.finish(summary, {})

    def _whole(self, groups: Sequence[int]) -> list[int]:
        numbers: list[int] = self._batch.groups[np.asarray(groups, np.int64)].tolist()
        return numbers
