"""What changes is told to open pages: a stream of topics; the page fetches what it shows anew."""

import asyncio
import time
from collections.abc import AsyncIterator

from litestar import get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from ampacity.console.desk import Console
from ampacity.console.front import Asked, console_of

LONGEST_S = 900.0  # then the browser connects again, and its session is looked at again


@get("/live")
async def live(request: Asked) -> ServerSentEvent:
    """Topics as they come, a beat while nothing does."""
    return ServerSentEvent(_messages(console_of(request)))


async def _messages(console: Console) -> AsyncIterator[ServerSentEventMessage]:
    ends = time.monotonic() + LONGEST_S
    yield ServerSentEventMessage(event="beat", data="", retry=2000)
    if console.lookout.was_behind():  # the page that asks may show what was before
        await console.lookout.renewed(console.clock())
        yield ServerSentEventMessage(event="changed", data="situation")
    async for topic in console.ports.changes.subscribe():
        if topic is None:
            yield ServerSentEventMessage(event="beat", data="")
        else:
            await console.lookout.renewed(console.clock())  # so that who comes for it finds it
            yield ServerSentEventMessage(event="changed", data=topic)
        if time.monotonic() > ends:
            return
        await asyncio.sleep(0)
