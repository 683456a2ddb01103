"""Stored decisions and what they rested on, read back as it was then."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
import numpy as np

from ampacity.errors import NotFound
from ampacity.figures import unpacked
from ampacity.network import PHASES, Direction, ForecastKind, Network
from ampacity.ports import (
    AnswerCounts,
    AwayGroups,
    BrokenLink,
    CapacityTable,
    ChainHead,
    DecisionRecord,
    Floats,
    GridVersion,
    Held,
    Steps,
    StoredCapacities,
    WaitingRequest,
)
from ampacity.store.decisions import join_capacities
from ampacity.store.grid import network_of
from ampacity.store.laid_outcomes import lay_outcomes
from ampacity.store.pool import Pool
from ampacity.store.requests import waiting_request
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_FLOAT, _INT = np.dtype("<f4"), np.dtype("<i4")


class PostgresRecords:
    """Decisions of the past, with their inputs as of then."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def decision(self, decision_id: int) -> DecisionRecord:
        row = await self._pool.fetchrow(sql("decision_record"), decision_id)
        if row is None:
            raise NotFound(f"there is no decision {decision_id}")
        need_wh = None if row["need_wh"] is None else np.frombuffer(row["need_wh"], "<f8")
        return DecisionRecord(
            decision_id=decision_id,
            kind=row["kind"],
            made_at=row["made_at"],
            settings=row["settings"],
            summary=row["summary"],
            rule=row["rule"] or "",
            rule_version=row["rule_version"] or 0,
            grid=GridVersion(row["element_changes"] or 0, row["contract_changes"] or 0),
            decisions_up_to=row["decisions_up_to"] or 0,
            need_wh=need_wh,
            need_cap_w=None if row["need_cap_w"] is None else np.frombuffer(row["need_cap_w"], _FLOAT),
        )

    async def cycle_slots(self, start: datetime, end: datetime) -> Sequence[datetime]:
        return [r["slot"] for r in await self._pool.fetch(sql("cycle_slots"), start, end)]

    async def answer_counts(self, start: datetime, end: datetime) -> Sequence[AnswerCounts]:
        return [AnswerCounts(**r) for r in await self._pool.fetch(sql("answer_counts"), start, end)]

    async def network_at(self, grid: GridVersion) -> Network:
        return network_of(
            await self._pool.fetch(sql("grid_elements_at"), grid.element_changes),
            await self._pool.fetch(sql("grid_groups_at"), grid.contract_changes),
            await self._pool.fetch(sql("grid_providers")),
        )

    async def headroom(self, decision_id: int, name: str) -> tuple[Steps, Floats] | None:
        rows = await self._pool.fetch(sql("headroom_of_decision"), decision_id, name)
        if not rows:
            return None
        blocks = [unpacked(r["headroom_w"], (r["subjects"], PHASES, r["steps"])) for r in rows]
        return _steps(rows[0]), np.concatenate(blocks)

    async def headroom_base(self, decisions_up_to: int, made_before: datetime) -> int | None:
        base: int | None = await self._pool.fetchval(sql("headroom_base"), decisions_up_to, made_before)
        return base

    async def median(self, decision_id: int, quarters: int) -> Floats:
        blocks = []
        for row in await self._pool.fetch(sql("forecast_of_decision"), decision_id):
            shape = (len(row["levels"]), row["subjects"], PHASES, row["quarters"])
            load_w = unpacked(row["load_w"], shape)[row["levels"].index(0.5)]
            blocks.append(np.nan_to_num(load_w)[:, :, :quarters])
        return np.concatenate(blocks) if blocks else np.zeros((0, PHASES, quarters), _FLOAT)

    async def away(self, decision_id: int, quarters: int) -> AwayGroups | None:
        row = await self._pool.fetchrow(sql("decision_away"), decision_id)
        if row is None:
            return None
        groups, told = np.array(row["group_nos"], np.int64), np.isin(row["group_nos"], row["told_nos"])
        told_w = {d: np.full((len(groups), quarters), np.nan, np.float32) for d in Direction}
        for direction, rows_w in told_w.items():
            rows_w[told] = np.frombuffer(row[f"told_{direction.value}_w"], _FLOAT).reshape(-1, quarters)
        return AwayGroups(groups=groups, quarters=np.array(row["quarters"], np.int64), told_w=told_w)

    async def held_at(
        self, kind: ForecastKind, groups: int, window: Window, decisions_up_to: int, without: Collection[int] = ()
    ) -> Held:
        rows = await self._pool.fetch(
            sql("running_outcomes"), kind.value, window.first, window.end, decisions_up_to, list(without), 0
        )
        return lay_outcomes(rows, groups, window)

    async def capacities_at(
        self, groups: int, made_before: datetime, decisions_up_to: int | None
    ) -> Mapping[ForecastKind, CapacityTable]:
        return join_capacities(
            await self._pool.fetch(sql("newest_allocation_blocks"), made_before, decisions_up_to, None, None, None),
            np.arange(groups),
        )

    async def requests(self, numbers: Sequence[int]) -> Sequence[WaitingRequest]:
        return [waiting_request(r) for r in await self._pool.fetch(sql("requests_by_number"), list(numbers))]

    async def stored(self, decision_id: int) -> Sequence[StoredCapacities]:
        return [
            StoredCapacities(
                kind=ForecastKind(r["kind"]),
                first_no=r["first_no"],
                steps=_steps(r),
                capacity_w=np.frombuffer(r["capacity_w"], _FLOAT).reshape(r["subjects"], r["steps"]),
                bound_by=np.frombuffer(r["bound_by"], _INT).reshape(r["subjects"], r["steps"]),
            )
            for r in await self._pool.fetch(sql("allocations_of_decision"), decision_id)
        ]

    async def broken_links(self, from_seq: int = 1) -> Sequence[BrokenLink]:
        return [BrokenLink(**r) for r in await self._pool.fetch(sql("broken_links"), from_seq)]

    async def chain_head(self) -> ChainHead | None:
        row = await self._pool.fetchrow(sql("chain_head"))
        return None if row is None else ChainHead(row["seq"], row["decision_id"], row["hash"].hex())

    async def newest(self, count: int, up_to: int = 2**62) -> Sequence[int]:
        rows = await self._pool.fetch(sql("newest_decisions"), up_to, count)
        return [r["decision_id"] for r in rows]


def _steps(row: asyncpg.Record) -> Steps:
    return Steps(first=row["first_quarter"], count=row["steps"], quarters=row["step_quarters"])
