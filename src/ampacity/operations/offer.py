"""Who decides a cycle offers its blocks to all servers, and takes what they hand in beside what it makes itself.

It begins with the first block and others with the last, so that they seldom meet.  A block of a server
that gave no sign of life for too long is made again.  The forecasts are the same whoever makes them.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import ampacity
from ampacity.errors import Conflict
from ampacity.operations.block_forecast import BlockForecast, load_block
from ampacity.operations.forecast_plan import Plan, element_blocks
from ampacity.operations.stages import Stages
from ampacity.ports import CycleSharing, Floats

LOOK_EVERY_S = 0.25  # for what others handed in, while there is work here
WAIT_S = 0.05  # ... and while there is none
RESULTS_AT_ONCE = 4  # in memory: some megabytes each


def plan_print(plan: Plan) -> bytes:
    """A digest of what forecasts rest on beside measurements and models: settings, limits, weather, the version."""
    told = hashlib.sha256(
        repr((ampacity.__version__, plan.origin, plan.made_at, plan.with_fallback, plan.forecast, plan.cycle)).encode()
    )
    network, weather, shifts = plan.network, plan.weather, plan.shifts
    told.update(repr((weather.window, weather.perfect, shifts.window, *map(sorted, _shifted(plan)))).encode())
    arrays = [
        network.parent, network.element, plan.limit_w, plan.cell, plan.connections, weather.latitude, weather.longitude,
        weather.temperature_c, weather.global_radiation_w_m2, weather.wind_speed_m_s,
    ]  # fmt: skip
    arrays += [by_element[e] for by_element in _shifted(plan) for e in sorted(by_element)]
    for values in (*arrays, *(() if weather.stale is None else (weather.stale,))):
        told.update(repr(values.shape).encode() + values.tobytes())
    return told.digest()


def _shifted(plan: Plan) -> tuple[Mapping[int, Floats], Mapping[int, Floats]]:
    return plan.shifts.by_element, plan.shifts.cautious


@dataclass(kw_only=True)
class Offer:
    """The blocks of one cycle, offered by the one who decides it."""

    slot: datetime
    holder: UUID
    sharing: CycleSharing
    stages: Stages
    _looked_at: float = field(default=0.0)

    async def blocks(
        self, plan: Plan, make: Callable[[range], Awaitable[BlockForecast]], at_once: int
    ) -> AsyncGenerator[BlockForecast]:
        """Block after block as they are made, here or elsewhere; a few are made here at a time.

        Raises:
            Conflict: another server decides the slot by now.
        """
        blocks = {block.start: block for block in element_blocks(len(plan.network.elements))}
        missing = set(blocks)
        digest = await asyncio.to_thread(plan_print, plan)
        await self.sharing.offer(self.slot, self.holder, digest, list(blocks))
        making: deque[asyncio.Task[BlockForecast]] = deque()

        async def begin() -> None:
            while len(making) < at_once and (first := await self.sharing.take_own(self.holder)) is not None:
                making.append(asyncio.create_task(_made(make, blocks[first])))

        try:
            while missing:
                await begin()
                found = [await making.popleft()] if making else []
                await begin()  # so that no core waits for what becomes of the block
                for block in (*found, *await self._handed_in(is_idle=not found)):
                    missing.discard(block.elements.start)
                    yield block
        finally:
            for task in making:
                task.cancel()
            await asyncio.gather(*making, return_exceptions=True)
            await asyncio.shield(self.sharing.drop(self.holder))

    async def _handed_in(self, *, is_idle: bool) -> list[BlockForecast]:
        """What others made since the last look; who has nothing else to do waits a moment for it."""
        if not is_idle and time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return []
        self._looked_at = time.monotonic()
        with self.stages.during("take over"):
            found = await self.sharing.handed_in(self.holder, RESULTS_AT_ONCE)
            blocks = await asyncio.to_thread(lambda: [load_block(result) for _, result in found])
        if is_idle and not blocks:
            if not await self.sharing.left(self.holder):
                raise Conflict(f"the cycle of {self.slot.isoformat()} was taken over by another server")
            with self.stages.during("wait for others"):
                await asyncio.sleep(WAIT_S)
        return blocks


async def _made(make: Callable[[range], Awaitable[BlockForecast]], block: range) -> BlockForecast:
    return await make(block)
