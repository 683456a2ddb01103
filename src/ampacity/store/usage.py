"""What providers report of their groups, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np

from ampacity.network.types import PHASES
from ampacity.peers.metering import NewReading, Reading, UnsettledMessage
from ampacity.peers.types import Connection, UsageMessage, Verdict, Watts
from ampacity.store.outbox import connection_of
from ampacity.store.pool import Pool
from ampacity.store.series import ensure_months
from ampacity.store.sql import sql
from ampacity.timegrid import QUARTERS_PER_DAY, Window

_READING = (
    "message_no", "group_no", "asset_id", "category", "quantity", "phase", "direction", "energy_type", "measured_at",
    "since", "value", "fault",
)  # fmt: skip


class UsageStore:
    """The ports `UsageIntake` and `Usage` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add_messages(self, messages: Sequence[UsageMessage], at: datetime) -> list[Verdict]:
        rows = await self._pool.fetch(
            sql("add_usage_messages"),
            list(range(len(messages))),
            [m.token_hash for m in messages],
            [m.group_id for m in messages],
            [m.request_id for m in messages],
            [m.content_hash for m in messages],
            [m.readings for m in messages],
            at,
        )
        verdicts = {row["place"]: _verdict(row) for row in rows}
        return [verdicts[n] for n in range(len(messages))]

    async def unsettled(self, limit: int) -> list[UnsettledMessage]:
        rows = await self._pool.fetch(sql("unsettled_usage"), limit)
        return [UnsettledMessage(**dict(row)) for row in rows]

    async def add_readings(self, rows: Sequence[NewReading], messages: Sequence[int], at: datetime) -> set[int]:
        async with self._pool.acquire() as connection, connection.transaction():
            taken = await connection.fetch(sql("mark_usage_settled"), list(messages), at)
            ours = {row["message_no"] for row in taken}
            records = [_record(row) for row in rows if row.message_no in ours]
            await connection.copy_records_to_table("meter_reading", columns=_READING, records=records)
        return ours

    async def readings(self, group_no: int, start: datetime, end: datetime) -> list[tuple[int, Reading, str | None]]:
        rows = await self._pool.fetch(sql("readings_of_group"), group_no, start, end)
        return [(row["reading_no"], _reading(row), row["quarantined_because"]) for row in rows]

    async def judge(self, verdicts: Sequence[tuple[int, str | None]]) -> None:
        await self._pool.execute(sql("judge_readings"), [v[0] for v in verdicts], [v[1] for v in verdicts])

    async def connections(self, group_nos: Sequence[int]) -> dict[int, Connection]:
        rows = await self._pool.fetch(sql("connections_of_groups"), list(group_nos))
        return {row["group_no"]: connection_of(row) for row in rows}

    async def known_usage(self, group_no: int, window: Window) -> Watts:
        known = np.full((PHASES, window.count), np.nan, np.float32)
        for row in await self._pool.fetch(sql("usage_blocks"), group_no, window.first, window.end):
            block = np.frombuffer(row["load_w"], "<f4").reshape(-1, PHASES, row["quarters"])[group_no - row["first_no"]]
            a, b = max(window.first, row["first_quarter"]), min(window.end, row["first_quarter"] + row["quarters"])
            newer = block[:, a - row["first_quarter"] : b - row["first_quarter"]]
            part = known[:, a - window.first : b - window.first]
            part[...] = np.where(np.isfinite(newer), newer, part)
        return known

    async def add_usage(self, group_no: int, first_quarter: int, load_w: Watts, available_at: datetime) -> None:
        rows = []
        for k in range(0, load_w.shape[1], QUARTERS_PER_DAY):  # no block is longer than a day
            part = np.ascontiguousarray(load_w[:, k : k + QUARTERS_PER_DAY], "<f4")
            rows.append((group_no, first_quarter + k, part.shape[1], available_at, part.tobytes()))
        async with self._pool.acquire() as connection, connection.transaction():
            await ensure_months(connection, first_quarter, first_quarter + load_w.shape[1] - 1)
            await connection.executemany(sql("add_usage_block"), rows)

    async def count(self, group_no: int, at: datetime, counts: dict[str, int]) -> None:
        await self._pool.executemany(sql("add_usage_count"), [(group_no, at, what, n) for what, n in counts.items()])


def _verdict(row: asyncpg.Record) -> Verdict:
    if not row["known"]:
        return Verdict.NOBODY
    if not row["registered"]:
        return Verdict.TOO_EARLY
    if not row["has_group"]:
        return Verdict.NO_GROUP
    if row["same"] is None:
        return Verdict.ADDED if row["added"] else Verdict.REPEATED
    return Verdict.REPEATED if row["same"] else Verdict.CONTRADICTS


def _record(row: NewReading) -> tuple[Any, ...]:
    r = row.reading
    return (
        row.message_no, row.group_no, r.asset_id, r.category, r.quantity, r.phase, r.direction, r.energy_type,
        r.measured_at, r.since, r.value, row.fault,
    )  # fmt: skip


def _reading(row: asyncpg.Record) -> Reading:
    return Reading(
        measured_at=row["measured_at"], value=row["value"], quantity=row["quantity"], phase=row["phase"],
        direction=row["direction"], energy_type=row["energy_type"], since=row["since"], asset_id=row["asset_id"],
        category=row["category"],
    )  # fmt: skip
