"""Keeps what everybody looks at ready: it is made anew as soon as something changes, not when somebody asks."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ampacity.console_ports import Changes
from ampacity.operations.lookout import Lookout
from ampacity.ports import Clock

_LOG = logging.getLogger(__name__)
_AGAIN_S = 5.0
LEAST_REST_S = 0.2
REST = 4.0  # times as long as the work took: at most a fifth of one core


class Watch:
    """Renews a lookout while `running` is open."""

    def __init__(self, lookout: Lookout, changes: Changes, clock: Clock) -> None:
        self._lookout = lookout
        self._changes = changes
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the block ends."""
        work = asyncio.create_task(self._watch_for_ever())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _watch_for_ever(self) -> None:
        while True:
            try:
                await self._lookout.keep_ready(self._clock())
                async for _ in self._changes.subscribe(1):  # in quiet times too: a quarter hour may have passed
                    worked_s = await self._lookout.keep_ready(self._clock())
                    await asyncio.sleep(max(LEAST_REST_S, REST * worked_s))
            except Exception as lost:  # noqa: BLE001  # whatever it is, pages are made without it, and it is tried again
                _LOG.warning("the overview is not kept ready: %s; again in %.0f s", type(lost).__name__, _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)
