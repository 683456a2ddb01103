"""Limits that people set, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from ampacity.errors import Conflict, Refused
from ampacity.people import LimitChange, LimitKind, NewLimit
from ampacity.store.pool import Pool, Reader
from ampacity.store.sql import sql
from ampacity.timegrid import Window


class PostgresLimits:
    """The port `LimitStore` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def limits(self, *, element_no: int | None, ends_after: datetime | None) -> Sequence[LimitChange]:
        return [_change(r) for r in await self._pool.fetch(sql("limit_changes"), element_no, ends_after, None)]

    async def limit(self, limit_no: int) -> LimitChange | None:
        row = await self._pool.fetchrow(sql("limit_changes"), None, None, limit_no)
        return None if row is None else _change(row)

    async def set_limit(self, new: NewLimit, by: int, at: datetime) -> int:
        number: int = await self._pool.fetchval(
            sql("set_limit"),
            new.element_no,
            new.kind.value,
            new.limit_w,
            new.starts_at,
            new.ends_at,
            new.reason,
            new.at_once,
            by,
            at,
        )
        return number

    async def answer_limit(self, limit_no: int, step: str, by: int, at: datetime) -> None:
        try:
            await self._pool.execute(sql("answer_limit"), limit_no, step, at, by)
        except asyncpg.UniqueViolationError as answered:
            raise Conflict(f"limit {limit_no} was answered already") from answered
        except asyncpg.CheckViolationError as same:
            raise Refused("who sets a limit does not confirm it: a second person has to") from same


async def limits_known_at(connection: Reader, window: Window, known_at: datetime) -> Sequence[LimitChange]:
    """Limits that touch a window, as they were known at a moment."""
    rows = await connection.fetch(sql("limits_known_at"), window.start_moment, window.end_moment, known_at)
    return [_change(r) for r in rows]


def _change(row: asyncpg.Record) -> LimitChange:
    values: dict[str, Any] = dict(row)
    values["kind"] = LimitKind(values["kind"])
    return LimitChange(**values)
