"""Databases of their own on the same server: for benchmarks, dropped afterwards; for demonstrations, kept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

from ampacity.store.migrations import migrate
from ampacity.store.pool import opened

Fill = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def scratch_database(dsn: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database beside the one named; it is dropped with the block."""
    name = f"ampacity_scratch_{uuid4().hex[:12]}"
    async with opened(dsn, max_size=1) as server:
        await server.execute(f"create database {name}")
        try:
            yield await _migrated(beside(dsn, name))
        finally:
            await server.execute(f"drop database {name} with (force)")


@asynccontextmanager
async def named_database(dsn: str, name: str, *, fresh: bool) -> AsyncIterator[str]:
    """The address of a database of that name beside the one named, made where it is not there; it stays."""
    async with opened(dsn, max_size=1) as server:
        if fresh:
            await server.execute(f"drop database if exists {name} with (force)")
        if not await server.fetchval("select exists (select from pg_database where datname = $1)", name):
            await server.execute(f"create database {name}")
        yield await _migrated(beside(dsn, name))


@asynccontextmanager
async def filled_database(dsn: str, fill: Fill) -> AsyncIterator[str]:
    """As `scratch_database`, filled."""
    async with scratch_database(dsn) as address:
        await fill(address)
        yield address


@asynccontextmanager
async def kept_database(dsn: str, name: str, fill: Fill) -> AsyncIterator[str]:
    """The address of a database of that name beside the one named; filled where it is not there yet; it stays.

    One that was not filled to its end is filled anew.
    """
    async with opened(dsn, max_size=1) as server:
        if not await server.fetchval("select exists (select from pg_database where datname = $1)", name):
            async with named_database(dsn, unfinished := f"{name}_unfinished", fresh=True) as address:
                await fill(address)
            await server.execute(f"alter database {unfinished} rename to {name}")
    yield await _migrated(beside(dsn, name))


def beside(dsn: str, name: str) -> str:
    """The address of another database of the same server.

    >>> beside("postgresql://me@host:5432/one?sslmode=require", "two")
    'postgresql://me@host:5432/two?sslmode=require'
    """
    parts = urlsplit(dsn)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{name}{query}"


async def _migrated(dsn: str) -> str:
    async with opened(dsn, max_size=1) as pool, pool.acquire() as connection:
        await migrate(connection)
    return dsn
