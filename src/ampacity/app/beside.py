"""Work beside other work, for as long as a block runs; and waiting for a word of others."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run some work until the block ends, then leave it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def set_or_after(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, for so long at the most.

    `asyncio.wait_for` of Python 3.11 goes on where it is cancelled just when the event is set: who waits for the end
    of a loop would wait for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
