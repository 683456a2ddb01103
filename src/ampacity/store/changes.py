"""What changed, as PostgreSQL tells it: one listening connection for all who look.

That requests came, or took a step, is looked at once a second, all of them together: were each told at its commit,
PostgreSQL would commit them one after the other.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from ampacity.store.pool import Connection, Pool
from ampacity.store.sql import sql

_LOG = logging.getLogger(__name__)
_CHANNEL = "ampacity_changed"
_LOOK_EVERY_S = 1.0  # for requests
_PATIENCE_S = 10.0
_QUIET_S = 15.0
_LONGEST_WAIT_S = 30.0


class ChangeFeed:
    """The port `Changes`; listens while `running` is open, and again after a lost connection."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: set[asyncio.Queue[str]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen until the block ends."""
        work = asyncio.create_task(self._listen_for_ever())
        try:
            yield
        finally:
            while not work.done():  # a cancellation can get lost inside the driver
                work.cancel()
                await asyncio.wait({work}, timeout=1.0)

    async def subscribe(self, most_waiting: int = 100) -> AsyncIterator[str | None]:
        queue: asyncio.Queue[str] = asyncio.Queue(most_waiting)
        self._waiting.add(queue)
        try:
            while True:
                try:
                    async with asyncio.timeout(_QUIET_S):
                        topic: str | None = await queue.get()
                except TimeoutError:
                    topic = None
                yield topic
        finally:
            self._waiting.discard(queue)

    def _tell(self, topic: str) -> None:
        for queue in self._waiting:
            with contextlib.suppress(asyncio.QueueFull):  # it has enough to look at already
                queue.put_nowait(topic)

    async def _listen_for_ever(self) -> None:
        wait_s = 0.5
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen(connection)
                wait_s = 0.5
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as lost:
                _LOG.warning("changes are not heard: %s; again in %.1f s", type(lost).__name__, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _listen(self, connection: Connection) -> None:
        """Listen until the connection is lost; whoever waits looks once at what came meanwhile."""
        ended = asyncio.Event()

        def heard(_connection: object, _pid: int, _channel: str, payload: str) -> None:
            self._tell(payload)

        def gone(_connection: object) -> None:
            ended.set()

        await connection.add_listener(_CHANNEL, heard)
        connection.add_termination_listener(gone)
        self._tell("reconnected:0")
        try:
            await self._look(connection, ended)
        finally:
            connection.remove_termination_listener(gone)
            if not connection.is_closed():
                await connection.remove_listener(_CHANNEL, heard)

    async def _look(self, connection: Connection, ended: asyncio.Event) -> None:
        """Look for requests again and again until the connection ends; one that does not answer is given up."""
        seen: tuple[object, ...] | None = None
        while not ended.is_set():
            before, seen = seen, tuple(await connection.fetchrow(sql("requests_seen"), timeout=_PATIENCE_S) or ())
            if before not in (None, seen):
                self._tell("requests:0")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await ended.wait()
