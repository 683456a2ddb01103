"""The console on a port of this machine, for real browsers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from ampacity.store.pool import connect
from tests.console.world import World, build


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running console."""

    url: str
    world: World
    server: uvicorn.Server
    tokens: Mapping[str, str]  # of sessions, by name


@asynccontextmanager
async def served(dsn: str, tokens: Mapping[str, str], **more: Any) -> AsyncIterator[Served]:
    """Serve the console on a database, where these people have a session, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    pool = await connect(dsn, max_size=5)
    world = build(pool, base_url=url, **more)
    async with serving(world.app, port) as server:
        yield Served(url=url, world=world, server=server, tokens=tokens)
    await pool.close()


@asynccontextmanager
async def serving(app: Any, port: int) -> AsyncIterator[uvicorn.Server]:
    """Serve an app until the block ends."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # it has no event for this
        await asyncio.sleep(0.02)
    try:
        yield server
    finally:
        server.should_exit = True
        await task
