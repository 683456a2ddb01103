"""A database of its own on the same server, for benchmarks: made empty, dropped afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from ampacity.store.migrations import migrate
from ampacity.store.pool import connect


@asynccontextmanager
async def scratch_database(dsn: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database beside the one named."""
    name = f"ampacity_bench_{uuid4().hex[:12]}"
    server = await connect(dsn, max_size=1)
    try:
        await server.execute(f"create database {name}")
        try:
            scratch = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
            if scratch.startswith("postgresql:/") and not scratch.startswith("postgresql://"):
                scratch = scratch.replace("postgresql:/", "postgresql:///", 1)
            pool = await connect(scratch, max_size=1)
            async with pool.acquire() as connection:
                await migrate(connection)
            await pool.close()
            yield scratch
        finally:
            await server.execute(f"drop database {name} with (force)")
    finally:
        await server.close()
