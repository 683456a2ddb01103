"""Forecasts that wait to be sent, in PostgreSQL: claimed with a lease, in order per group and kind."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from ampacity.network.types import ForecastKind, PowerUnit
from ampacity.peers.types import Connection, Figures, OutboundForecast
from ampacity.store.answers_done import AnswersDone
from ampacity.store.pool import Connection as PostgresConnection
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class OutboxStore:
    """The port `Outbox` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answers = AnswersDone()

    async def waiting(self, few: int) -> dict[int, bool]:
        rows = await self._pool.fetch(sql("providers_with_due_messages"), few)
        return {row["provider_no"]: row["are_many"] for row in rows}

    async def claim(
        self, provider_no: int, owner: UUID, *, behind: int, limit: int, lease_s: float
    ) -> tuple[int | None, list[OutboundForecast]]:
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute(sql("claim_lightly"))
                last = await connection.fetchval(sql("page_of_waiting"), provider_no, behind, limit)
                if last is None:
                    return None, []
                await connection.execute(sql("supersede_older_messages"), provider_no, behind, last)
                taken = await connection.fetch(sql("claim_messages"), provider_no, behind, last, owner, lease_s)
            return last, [_outbound(row) for row in await _claimed(connection, taken)]

    async def claim_few(
        self, provider_nos: Sequence[int], owner: UUID, *, each: int, lease_s: float
    ) -> dict[int, list[OutboundForecast]]:
        numbers = list(provider_nos)
        claim = "claim_few_messages", numbers, owner, each, lease_s
        return await self._claimed_of(("supersede_older_messages_of", numbers), claim)

    async def waiting_for_answers(self) -> list[int]:
        now_s = time.monotonic()
        is_whole = self._answers.begin(now_s)
        newest: int | None = await self._pool.fetchval(sql("newest_message")) if is_whole else None
        rows = await self._pool.fetch(sql("waiting_answers"), self._answers.behind)
        if newest is not None:
            self._answers.seen_whole(min((row["first_id"] for row in rows), default=None), newest, now_s)
        return [row["provider_no"] for row in rows if row["is_due"]]

    async def claim_answers(
        self, provider_nos: Sequence[int], owner: UUID, *, each: int, lease_s: float
    ) -> dict[int, list[OutboundForecast]]:
        numbers, behind = list(provider_nos), self._answers.behind
        supersede = "supersede_before_answers", numbers, behind
        return await self._claimed_of(supersede, ("claim_answers", numbers, owner, each, lease_s, behind))

    async def _claimed_of(
        self, supersede: tuple[Any, ...], claim: tuple[Any, ...]
    ) -> dict[int, list[OutboundForecast]]:
        """What the second statement claims after the first one has superseded, by provider."""
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute(sql("claim_lightly"))
                await connection.execute(sql(supersede[0]), *supersede[1:])
                taken = await connection.fetch(sql(claim[0]), *claim[1:])
            claimed: dict[int, list[OutboundForecast]] = {}
            for row in await _claimed(connection, taken):
                claimed.setdefault(row["sent_to"], []).append(_outbound(row))
            return claimed

    async def sent(self, owner: UUID, message_ids: Sequence[int]) -> None:
        await self._pool.execute(sql("mark_sent"), owner, list(message_ids))

    async def left_out(self, owner: UUID, message_id: int, reason: str) -> None:
        await self._pool.execute(sql("leave_message_out"), owner, message_id, reason)

    async def last_sent(self, group_no: int, kind: ForecastKind) -> Figures | None:
        row = await self._pool.fetchrow(sql("last_sent_figures"), group_no, kind)
        return None if row is None else figures_of(row)

    async def failed(self, owner: UUID, message_id: int, *, again_in_s: float | None, error: str) -> None:
        if again_in_s is None:
            await self._pool.execute(sql("bury_message"), owner, message_id, error)
        else:
            await self._pool.execute(sql("put_off_message"), owner, message_id, again_in_s, error)

    async def release(self, owner: UUID, message_ids: Sequence[int]) -> None:
        await self._pool.execute(sql("release_messages"), owner, list(message_ids))

    async def enqueue_newest(self, provider_no: int) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("lock_negotiation"))  # a decision that is being written is waited for
            done: str = await connection.execute(sql("enqueue_newest_forecasts"), provider_no)
        return int(done.rsplit(" ", 1)[-1])


async def _claimed(connection: PostgresConnection, taken: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """The messages that were taken, in the order in which they were written."""
    if not taken:
        return []
    rows: list[asyncpg.Record] = await connection.fetch(sql("claimed_messages"), [row["message_id"] for row in taken])
    return rows


def connection_of(row: "asyncpg.Record | dict[str, Any]") -> Connection:
    """What the wire needs to know of a group, from a row of `current_contract` with its element."""
    return Connection(
        group_no=row["group_no"],
        group_id=row["group_id"],
        provider_no=row["provider_no"],
        unit=PowerUnit(row["unit"]),
        phases=tuple(int(p) for p in row["phases"]),
        phase_voltage_v=row["nominal_voltage_v"] / 3**0.5,
        contracted_w=max(row["contracted_import_w"], row["contracted_export_w"]),
    )


def _outbound(row: asyncpg.Record) -> OutboundForecast:
    return OutboundForecast(
        message_id=row["message_id"],
        group=connection_of(row),
        kind=ForecastKind(row["kind"]),
        request_id=str(row["request_id"]),
        correlation_id=row["correlation_id"],
        attempts=row["attempts"],
        figures=figures_of(row),
        refusal=row["refusal"],
    )


def figures_of(row: asyncpg.Record) -> Figures:
    """Capacities of one group, from the row of a message with its block."""
    return Figures(
        first_quarter=row["first_quarter"],
        step_quarters=row["step_quarters"],
        capacity_w=np.frombuffer(row["capacity_w"], "<f4"),
    )
