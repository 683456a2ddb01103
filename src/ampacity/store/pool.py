"""Connections to PostgreSQL."""

from typing import Any, TypeAlias

import asyncpg
import msgspec

from ampacity.errors import NotReady

Pool: TypeAlias = "asyncpg.Pool[Any]"
Connection: TypeAlias = "asyncpg.Connection[Any]"
Reader: TypeAlias = "asyncpg.Connection[Any] | asyncpg.Pool[Any]"


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
