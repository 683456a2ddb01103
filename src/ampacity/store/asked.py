"""What providers ask for and what they cannot keep, in PostgreSQL."""

from collections.abc import Sequence
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
        taken = await self._pool.fetchrow(
            sql("take_request"), provider_no, request.group_id, request.kind, request.request_id,
            request.content_hash, at, request.first_quarter, len(request.wanted_w),
            request.wanted_w.astype("<f4").tobytes(),
        )  # fmt: skip
        request_no: int | None = taken["request_no"]
        if request_no is not None or _is_known(taken["known_hash"], request.request_id, request.content_hash):
            return request_no
        if taken["asked_lately"] is not None:
            async with self._pool.acquire() as connection, connection.transaction():
                await _ask_again(connection, provider_no, request, taken["asked_lately"])
            return None
        # the same id came over another connection at the same moment
        return await self.add_request(provider_no, request, at)

    async def connections_asked(self, asked: Sequence[tuple[bytes, str]]) -> list[Connection | None]:
        tokens, groups = [token_hash for token_hash, _ in asked], [group_id for _, group_id in asked]
        rows = await self._pool.fetch(sql("connections_asked"), tokens, groups)
        found = {row["place"]: connection_of(row) for row in rows}
        return [found.get(n) for n in range(1, len(asked) + 1)]

    async def add_requests(self, asked: Sequence[tuple[int, CapacityRequest]], at: datetime) -> list[int | None]:
        requests = [request for _, request in asked]
        rows = await self._pool.fetch(
            sql("take_requests"), at, [no for no, _ in asked], [r.group_id for r in requests],
            [r.kind for r in requests], [r.request_id for r in requests], [r.content_hash for r in requests],
            [r.first_quarter for r in requests], [len(r.wanted_w) for r in requests],
            [r.wanted_w.astype("<f4").tobytes() for r in requests],
        )  # fmt: skip
        numbers = {row["place"]: row["request_no"] for row in rows}
        return [numbers.get(n) for n in range(1, len(asked) + 1)]

    async def add_complaint(self, provider_no: int, complaint: Complaint, at: datetime) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            known = await connection.fetchval(sql("complaint_by_id"), provider_no, complaint.request_id)
            if _is_known(known, complaint.request_id, complaint.content_hash):
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


def _is_known(known: bytes | None, request_id: str, content_hash: bytes) -> bool:
    """Whether a message with this id came before; raises where its content was another."""
    if known is None:
        return False
    if known != content_hash:
        raise Conflict(f"message {request_id} came before with other content")
    return True
