"""The parts of a server's work that run in processes of their own, so that none holds up who waits for an answer.

Python runs one thread of a process at a time: while a cycle computes, its process answers late.  So the process that
listens starts four others, tells each that there is work, and starts one that ended anew.  What they do they find in
the database, as another server would; one that is killed is to the rest a server that died.
"""

import asyncio
import base64
import logging
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from ampacity.app.beside import beside
from ampacity.app.clock import DataClock
from ampacity.app.engine import LOCAL
from ampacity.app.settings import Settings
from ampacity.errors import NotReady

_LOG = logging.getLogger(__name__)
_AGAIN_S = 1.0
_TO_END_S = 5.0

READY, WAKE, FAILED = "ready", "wake", "failed "  # what a part says; it is told an empty line: there is work


class Part(StrEnum):
    """What a process of its own does."""

    CYCLES = "cycles"  # and learning, weather, files of the drop folder
    DECISIONS = "decisions"  # on requests
    ANSWERS = "answers"  # to requests, which do not wait for what else is sent
    SENDING = "sending"  # all else that goes out to peers: forecasts, handshakes, heartbeats


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a part has to know; it goes over its standard input, as the address may hold a password."""

    part: Part
    dsn: str
    settings: Settings
    clock: DataClock
    engine: str = LOCAL

    def as_line(self) -> bytes:
        return base64.b64encode(pickle.dumps(self)) + b"\n"

    @staticmethod
    def of_line(line: bytes) -> "Order":
        """What `as_line` wrote, by the process that started this one."""
        order = pickle.loads(base64.b64decode(line))  # noqa: S301  # from our own parent
        assert isinstance(order, Order)
        return order


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A process for each part; `due` of a part is set when there is work for it."""

    dsn: str
    settings: Settings
    clock: DataClock
    engine: str
    due: Mapping[Part, asyncio.Event]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run them until the block ends.

        Raises:
            NotReady: one of them cannot start.
        """
        async with AsyncExitStack() as stack:
            ready = [asyncio.get_running_loop().create_future() for _ in Part]
            for part, future in zip(Part, ready, strict=True):
                await stack.enter_async_context(beside(self._keep(part, future)))
            await asyncio.gather(*ready)
            yield

    async def _keep(self, part: Part, ready: "asyncio.Future[None]") -> None:
        """Keep a part at work; one that ended is started anew, unless it never began."""
        while True:
            try:
                await self._once(part, ready)
                ended = f"the process for {part} ended"
            except NotReady as failed:
                ended = f"the process for {part}: {failed}"
            except OSError as failed:  # no memory, no more processes
                ended = f"the process for {part} cannot be started: {failed}"
            if not ready.done():
                ready.set_exception(NotReady(ended))
                return
            _LOG.error("%s; it is started again", ended)
            await asyncio.sleep(_AGAIN_S)

    async def _once(self, part: Part, ready: "asyncio.Future[None]") -> None:
        """Start a part, pass on what it and others say until it ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ampacity.app.part", stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            order = Order(part=part, dsn=self.dsn, settings=self.settings, clock=self.clock, engine=self.engine)
            process.stdin.write(order.as_line())
            async with beside(self._pass_on(part, process.stdin)):
                async for line in process.stdout:
                    self._heard(line.decode().strip(), part, ready)
        finally:
            await _ended(process)

    async def _pass_on(self, part: Part, to: asyncio.StreamWriter) -> None:
        """Tell a part that there is work; who sends is two, and what there is to be sent concerns both."""
        due = self.due[part]
        with suppress(ConnectionError):  # it ended: who reads what it says sees it
            while True:
                await due.wait()
                due.clear()
                if part is Part.SENDING:
                    self.due[Part.ANSWERS].set()
                to.write(b"\n")
                await to.drain()

    def _heard(self, said: str, part: Part, ready: "asyncio.Future[None]") -> None:
        if said == WAKE:
            self.due[Part.SENDING].set()
        elif said == READY:
            self.due[part].set()  # whatever came while it was not there
            if not ready.done():
                ready.set_result(None)
        elif said.startswith(FAILED):
            raise NotReady(said.removeprefix(FAILED))


async def _ended(process: Process) -> None:
    """Have a process end in order: it does when nobody can tell it anything any more."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_TO_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
