"""What providers ask for and what they cannot keep, in PostgreSQL."""

from datetime import datetime

import asyncpg

from ampacity.errors import Conflict
from ampacity.peers.types import CapacityRequest, Complaint, Connection
from ampacity.store.outbox import connection_of
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class AskedStore:
    """The port `Requests` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def connection(self, provider_no: int, group_id: str) -> Connection | None:
        row = await self._pool.fetchrow(sql("connection_of_group"), provider_no, group_id)
        return None if row is None else connection_of(row)

    async def connections(self, provider_no: int) -> list[Connection]:
        return [connection_of(row) for row in await self._pool.fetch(sql("connections_of_provider"), provider_no)]

    async def add_request(self, provider_no: int, request: CapacityRequest, at: datetime) -> int | None:
        async with self._pool.acquire() as connection, connection.transaction():
            if await _is_repeated(connection, "request_by_id", provider_no, request.request_id, request.content_hash):
                return None
            known_no = await connection.fetchval(
                sql("same_request_lately"), provider_no, request.group_id, request.kind, request.content_hash
            )
            if known_no is not None:
                await _ask_again(connection, provider_no, request, known_no)
                return None
            request_no: int | None = await connection.fetchval(
                sql("add_request"), provider_no, request.group_id, request.kind, request.request_id,
                request.content_hash, at, request.first_quarter, len(request.wanted_w),
                request.wanted_w.astype("<f4").tobytes(),
            )  # fmt: skip
            if request_no is not None:
                await connection.execute(sql("add_request_received"), request_no, at)
            return request_no

    async def add_complaint(self, provider_no: int, complaint: Complaint, at: datetime) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            known = "complaint_by_id"
            if await _is_repeated(connection, known, provider_no, complaint.request_id, complaint.content_hash):
                return False
            error_no = await connection.fetchval(
                sql("add_complaint"), provider_no, complaint.request_id, complaint.content_hash,
                complaint.correlation_id, complaint.message, complaint.detail, at,
            )  # fmt: skip
            return error_no is not None


async def _ask_again(connection: asyncpg.Connection, provider_no: int, request: CapacityRequest, known_no: int) -> None:
    """Note another id of a request: it is answered too, at once where the request is decided already."""
    await connection.execute(sql("lock_negotiation"))  # a decision that is being written is waited for
    added = await connection.fetchval(
        sql("add_request_repeat"), provider_no, request.request_id, request.content_hash, known_no
    )
    if added is not None:
        await connection.execute(sql("answer_repeat"), known_no, request.request_id)


async def _is_repeated(
    connection: asyncpg.Connection, statement: str, provider_no: int, request_id: str, content_hash: bytes
) -> bool:
    known = await connection.fetchval(sql(statement), provider_no, request_id)
    if known is None:
        return False
    if known != content_hash:
        raise Conflict(f"message {request_id} came before with other content")
    return True
