"""The console on a port of this machine, in a thread of its own, for real browsers."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from ampacity.store.pool import connect
from tests.console.world import World, build


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running console; `do` runs something on its loop."""

    url: str
    world: World
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, Any], timeout_s: float = 30.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)


@contextmanager
def served(dsn: str, **more: Any) -> Iterator[Served]:
    """Serve the console on a database until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"

    async def start() -> tuple[World, uvicorn.Server, asyncio.Task[None]]:
        world = build(await connect(dsn, max_size=5), base_url=url, **more)
        config = uvicorn.Config(
            world.app, host="127.0.0.1", port=port, log_level="warning", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.02)
        return world, server, task

    world, server, task = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield Served(url=url, world=world, loop=loop)
    finally:

        async def stop() -> None:
            server.should_exit = True
            await task
            await world.pool.close()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
