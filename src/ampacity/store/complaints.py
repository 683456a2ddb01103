"""What providers say they cannot keep, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from ampacity.console_ports import ComplaintLine
from ampacity.errors import Conflict
from ampacity.network import ForecastKind
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class PostgresComplaints:
    """The port `Complaints` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def complaints(self, *, group_no: int | None, only_open: bool, limit: int) -> Sequence[ComplaintLine]:
        return [_line(r) for r in await self._pool.fetch(sql("complaints"), group_no, only_open, None, limit)]

    async def complaint(self, error_no: int) -> ComplaintLine | None:
        row = await self._pool.fetchrow(sql("complaints"), None, False, error_no, 1)
        return None if row is None else _line(row)

    async def acknowledge(self, error_no: int, account_no: int, note: str, at: datetime) -> None:
        try:
            await self._pool.execute(sql("acknowledge_complaint"), error_no, account_no, note, at)
        except asyncpg.UniqueViolationError as answered:
            raise Conflict(f"complaint {error_no} was acknowledged already") from answered


def _line(row: asyncpg.Record) -> ComplaintLine:
    values: dict[str, Any] = dict(row)
    values["kind"] = None if values["kind"] is None else ForecastKind(values["kind"])
    return ComplaintLine(**values)
