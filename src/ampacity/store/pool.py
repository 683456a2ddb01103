"""Connections to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import msgspec

from ampacity.errors import NotReady

Pool: TypeAlias = "asyncpg.Pool[Any]"
Connection: TypeAlias = "asyncpg.Connection[Any]"
Reader: TypeAlias = "asyncpg.Connection[Any] | asyncpg.Pool[Any]"


class InTurn:
    """A connection that several use at once: what they want is done one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._turn = connection, asyncio.Lock()

    async def execute(self, query: str, *arguments: object) -> None:
        async with self._turn:
            await self._connection.execute(query, *arguments)

    async def fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        async with self._turn:
            rows: Sequence[asyncpg.Record] = await self._connection.fetch(query, *arguments)
            return rows

    async def fetchval(self, query: str, *arguments: object) -> Any:
        async with self._turn:
            return await self._connection.fetchval(query, *arguments)

    async def copy(self, table: str, records: Sequence[tuple[object, ...]], columns: Sequence[str]) -> None:
        async with self._turn:
            await self._connection.copy_records_to_table(table, records=records, columns=columns)


async def connect(dsn: str, *, max_size: int = 10) -> Pool:
    """Open a pool.

    Raises:
        NotReady: no server answers at that address (which is not shown: it may hold a password).
    """
    try:
        pool: Pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max_size,
            init=_prepare,
            reset=_clear,
            server_settings={"timezone": "UTC", "jit": "off"},
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failed:
        raise NotReady(f"the database does not answer: {type(failed).__name__}") from failed
    return pool


@asynccontextmanager
async def opened(dsn: str, *, max_size: int) -> AsyncIterator[Pool]:
    """A pool that is closed with the block; errors as of `connect`."""
    pool = await connect(dsn, max_size=max_size)
    try:
        yield pool
    finally:
        await pool.close()


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


async def _clear(connection: Connection) -> None:
    """What is lent out leaves nothing in its session but, at worst, a transaction: a round trip less each time."""
    if connection.is_in_transaction():
        await connection.reset()


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _decode_jsonb(data: bytes) -> object:
    return msgspec.json.decode(data[1:])
