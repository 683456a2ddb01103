"""Slots and decisions: one winner for each slot, a decision with its messages in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import RULE, RULE_VERSION
from ampacity.errors import Conflict
from ampacity.figures import packed, unpacked
from ampacity.forecasting import LoadForecast
from ampacity.network import Direction, ForecastKind
from ampacity.network.batches import runs
from ampacity.ports import AwayGroups, CapacityTable, Floats, GridVersion, Ints, JsonObject, Steps
from ampacity.store.block_digests import as_reals, digest
from ampacity.store.marked_quarters import packed_quarters
from ampacity.store.numbers import rows_taken
from ampacity.store.pool import Connection, InTurn
from ampacity.store.sql import sql

_FLOAT = np.dtype("<f4")
_INT = np.dtype("<i4")
_ROWS_PER_BLOCK = 1024
_FEW = 65_536  # figures that are packed and hashed in less than a millisecond

_Record = tuple[object, ...]
T = TypeVar("T")

FORECAST_COLUMNS = [
    "decision_id", "first_no", "subjects", "first_quarter", "quarters", "levels", "source", "load_w", "weather_free",
    "digest",
]  # fmt: skip
HEADROOM_COLUMNS = [
    "decision_id", "direction", "first_no", "subjects", "first_quarter", "steps", "step_quarters", "headroom_w",
    "digest",
]  # fmt: skip
ALLOCATION_COLUMNS = [
    "decision_id", "kind", "first_no", "subjects", "first_quarter", "steps", "step_quarters", "capacity_w", "bound_by",
    "digest",
]  # fmt: skip


class PostgresDecision:
    """Writes one decision inside an open transaction."""

    def __init__(self, connection: Connection, decision_id: int, owners: dict[int, int]) -> None:
        self._connection = InTurn(connection)
        self.owners = owners
        self.decision_id = decision_id
        self.summary: JsonObject = {}
        self.stages: Mapping[str, float] = {}
        self._until: dict[ForecastKind, int] = {}

    async def close_gate(self) -> None:
        await self._connection.execute(sql("lock_negotiation"))

    async def forecast(self, first_no: int, forecast: LoadForecast, levels: Sequence[float]) -> None:
        record = await _packed(forecast.load_w.size, _forecast_record, self.decision_id, first_no, forecast, levels)
        await self._connection.copy("forecast_block", [record], FORECAST_COLUMNS)

    async def headroom(
        self,
        direction: Direction,
        steps: Steps,
        headroom_w: Floats,
        *,
        fallback: bool = False,
        elements: Ints | None = None,
    ) -> None:
        name = f"fallback_{direction.value}" if fallback else direction.value
        await self._add_headroom(name, steps, headroom_w, elements)

    async def pool(self, direction: Direction, steps: Steps, pool_w: Floats, elements: Ints | None = None) -> None:
        await self._add_headroom(f"pool_{direction.value}", steps, pool_w, elements)

    async def _add_headroom(self, name: str, steps: Steps, headroom_w: Floats, elements: Ints | None) -> None:
        numbers = np.arange(len(headroom_w)) if elements is None else elements
        records = await _packed(headroom_w.size, _headroom_records, self.decision_id, name, steps, headroom_w, numbers)
        await self._connection.copy("headroom_block", records, HEADROOM_COLUMNS)

    async def read_headroom(self, name: str, elements: Ints, into_w: Floats) -> None:
        blocks = dict(_row_blocks(elements))
        rows = await self._connection.fetch(sql("headroom_rows"), self.decision_id, name, list(blocks))
        for row in rows:
            where = blocks[row["first_no"]]
            into_w[where] = unpacked(row["headroom_w"], into_w[where].shape)

    async def read_median(self, elements: Ints, into_w: Floats) -> None:
        first, last = int(elements[0]), int(elements[-1])
        for row in await self._connection.fetch(sql("forecast_rows"), self.decision_id, first, last):
            shape = len(row["levels"]), row["subjects"], *into_w.shape[1:-1], row["quarters"]
            median_w = unpacked(row["load_w"], shape)[row["levels"].index(0.5)]
            there = (elements >= row["first_no"]) & (elements < row["first_no"] + row["subjects"])
            into_w[there] = np.nan_to_num(median_w[elements[there] - row["first_no"]])

    async def withdraw(self, groups: Ints) -> None:
        blocks = [first for first, _ in _row_blocks(groups)]
        await self._connection.execute(sql("withdraw_capacities"), self.decision_id, blocks, None)

    async def amend(self, table: CapacityTable, groups: Ints, changed: NDArray[np.bool_]) -> None:
        blocks = [(first, where) for first, where in _row_blocks(groups) if changed[where].any()]
        if not blocks:
            return
        first_numbers, kind = [first for first, _ in blocks], table.kind.value
        await self._connection.execute(sql("withdraw_capacities"), self.decision_id, first_numbers, kind)
        rows = np.concatenate([np.arange(where.start, where.stop) for _, where in blocks])
        some = replace(table, capacity_w=table.capacity_w[rows], bound_by=table.bound_by[rows])
        await self.capacities(some, groups[rows])

    async def rests_on(
        self, grid: GridVersion, need_wh: Floats | None = None, need_cap_w: Floats | None = None
    ) -> None:
        noted = await self._connection.fetchval(
            sql("add_decision_input"), self.decision_id, RULE, RULE_VERSION, grid.element_changes,
            grid.contract_changes, None if need_wh is None else need_wh.astype("<f8").tobytes(),
            None if need_cap_w is None else _bytes(need_cap_w),
        )  # fmt: skip
        if noted is None:
            raise Conflict("the grid changed while it was decided: decide again")

    async def away(self, away: AwayGroups) -> None:
        told = np.flatnonzero(np.logical_or.reduce([~np.isnan(w).all(axis=1) for w in away.told_w.values()]))
        await self._connection.execute(
            sql("add_decision_away"), self.decision_id, away.groups.tolist(), away.quarters.tolist(),
            away.groups[told].tolist(), *(_bytes(away.told_w[d][told]) for d in Direction),
        )  # fmt: skip

    async def capacities(self, table: CapacityTable, groups: Sequence[int] | Ints | None = None) -> None:
        self._until[table.kind] = table.steps.first + table.steps.count * table.steps.quarters
        numbers = np.arange(len(table.capacity_w)) if groups is None else np.asarray(groups, np.int64)
        records = await _packed(table.capacity_w.size, _allocation_records, self.decision_id, table, numbers)
        await self._connection.copy("allocation_block", records, ALLOCATION_COLUMNS)

    async def send(self, kind: ForecastKind, groups: Sequence[int], correlation_id: str | None = None) -> int:
        return await self.send_each(kind, [(g, correlation_id) for g in groups])

    async def take_back(self, kind: ForecastKind, groups: Sequence[int]) -> int:
        taken: int = await self._connection.fetchval(
            sql("take_messages_back"), self.decision_id, kind.value, list(groups)
        )
        return taken

    async def send_each(self, kind: ForecastKind, messages: Sequence[tuple[int, str | None]]) -> int:
        """Send to groups what they hold now, each with the id of the message that it answers, or none."""
        until, owners = self.until(kind), await self.owners_of([g for g, _ in messages])
        records = [
            (self.decision_id, kind.value, owner, g, answers, until)
            for owner, (g, answers) in zip(owners, messages, strict=True)
        ]
        columns = ["decision_id", "kind", "provider_no", "group_no", "correlation_id", "until_quarter"]
        await self._connection.copy("outbound_forecast", records, columns)
        return len(records)

    def until(self, kind: ForecastKind) -> int:
        """The quarter up to which the capacities of a kind reach that were written here."""
        return self._until[kind]

    async def owners_of(self, groups: Sequence[int]) -> list[int]:
        """The numbers of the providers of groups."""
        if unknown := [g for g in groups if g not in self.owners]:
            found = await self._connection.fetch(sql("group_owners"), unknown)
            self.owners.update((r["group_no"], r["provider_no"]) for r in found)
        return [self.owners[g] for g in groups]

    async def lapse(self, request_no: int, at: datetime, reason: str) -> None:
        await self._connection.execute(sql("add_request_event"), request_no, "lapsed", at, self.decision_id, reason, {})

    async def finish(self, summary: JsonObject, stages: Mapping[str, float]) -> None:
        self.summary, self.stages = summary, stages


@asynccontextmanager
async def open_decision(
    connection: Connection, kind: str, made_at: datetime, settings: JsonObject
) -> AsyncIterator[PostgresDecision]:
    """A decision in a transaction of its own; it is there when the block ends without an error."""
    async with connection.transaction():
        decision_id = await connection.fetchval(sql("add_decision"), kind, made_at, settings)
        decision = PostgresDecision(connection, decision_id, {})
        yield decision
        await connection.execute(sql("finish_decision"), decision_id, decision.summary)


@asynccontextmanager
async def open_cycle_decision(
    connection: Connection, slot: datetime, holder: UUID, made_at: datetime, settings: JsonObject
) -> AsyncIterator[PostgresDecision]:
    """The decision of a claimed slot.

    Raises:
        Conflict: the slot was taken over meanwhile; nothing is written.
    """
    async with open_decision(connection, "cycle", made_at, settings) as decision:
        yield decision
        bound = await connection.fetchval(
            sql("finish_cycle"), slot, holder, decision.decision_id, dict(decision.stages)
        )
        await connection.execute(sql("clear_ledger"), decision.decision_id)
        if bound is None:
            raise Conflict(f"the cycle of {slot.isoformat()} was taken over by another server")


def join_capacities(rows: Iterable[asyncpg.Record], numbers: Ints) -> dict[ForecastKind, CapacityTable]:
    """One table for each kind: the cycle's blocks, and on top of them what was decided since, in that order.

    Its rows are the groups of these numbers, which ascend.
    """
    tables: dict[ForecastKind, CapacityTable] = {}
    for row in rows:
        lay_capacities(row, numbers, tables)
    return tables


def lay_capacities(row: asyncpg.Record, numbers: Ints, tables: dict[ForecastKind, CapacityTable]) -> None:
    """Lay a block over its kind's table; the first block of a kind is one of its cycle."""
    kind = ForecastKind(row["kind"])
    table = tables.get(kind)
    if table is None:
        steps = Steps(first=row["first_quarter"], count=row["steps"], quarters=row["step_quarters"])
        table = tables[kind] = CapacityTable(
            kind=kind,
            steps=steps,
            capacity_w=np.full((len(numbers), steps.count), np.nan, np.float32),
            bound_by=np.full((len(numbers), steps.count), -1, np.int32),
        )
    _lay(row, numbers, table)


def _lay(row: asyncpg.Record, numbers: Ints, table: CapacityTable) -> None:
    steps, shape = table.steps, (row["subjects"], row["steps"])
    if row["step_quarters"] != steps.quarters:
        return
    shift = (row["first_quarter"] - steps.first) // steps.quarters
    source = slice(max(0, -shift), max(0, min(row["steps"], steps.count - shift)))
    target = slice(source.start + shift, source.stop + shift)
    rows, taken = rows_taken(numbers, row["first_no"], row["subjects"])
    if source.start < source.stop:
        table.capacity_w[rows, target] = np.frombuffer(row["capacity_w"], _FLOAT).reshape(shape)[taken, source]
        table.bound_by[rows, target] = np.frombuffer(row["bound_by"], _INT).reshape(shape)[taken, source]


async def _packed(figures: int, pack: Callable[..., T], *arguments: object) -> T:
    """What packs figures, beside the event loop where they are many."""
    return pack(*arguments) if figures < _FEW else await asyncio.to_thread(pack, *arguments)


def _forecast_record(decision_id: int, first_no: int, forecast: LoadForecast, levels: Sequence[float]) -> _Record:
    load_w = np.stack([forecast.at(level) for level in levels])
    head = (first_no, load_w.shape[1], forecast.window.first, forecast.window.count)
    source, figures = forecast.source.astype("u1").tobytes(), packed(load_w)
    hashed = digest((*head, as_reals(levels)), source, figures)
    return decision_id, *head, list(levels), source, figures, packed_quarters(forecast.weather_free), hashed


def _headroom_records(decision_id: int, name: str, steps: Steps, headroom_w: Floats, numbers: Ints) -> list[_Record]:
    records: list[_Record] = []
    for first, where in _row_blocks(numbers):
        head = (name, first, where.stop - where.start, steps.first, steps.count, steps.quarters)
        figures = packed(headroom_w[where])
        records.append((decision_id, *head, figures, digest(head, figures)))
    return records


def _allocation_records(decision_id: int, table: CapacityTable, numbers: Ints) -> list[_Record]:
    records: list[_Record] = []
    steps = table.steps
    for first, where in _row_blocks(numbers):
        head = (table.kind.value, first, where.stop - where.start, steps.first, steps.count, steps.quarters)
        capacity_w, bound_by = _bytes(table.capacity_w[where]), table.bound_by[where].astype(_INT).tobytes()
        records.append((decision_id, *head, capacity_w, bound_by, digest(head, capacity_w, bound_by)))
    return records


def _row_blocks(numbers: Ints) -> list[tuple[int, slice]]:
    """Subjects as stored blocks of neighbours: the number of the first one, and which rows they take."""
    return [
        (first + start - where.start, slice(start, min(start + _ROWS_PER_BLOCK, where.stop)))
        for first, where in runs(numbers)
        for start in range(where.start, where.stop, _ROWS_PER_BLOCK)
    ]


def _bytes(values: Floats) -> bytes:
    return np.ascontiguousarray(values, _FLOAT).tobytes()
