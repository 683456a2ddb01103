"""Help another server with the forecasts of the cycle that it decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
from ampacity.operations.block_forecast import dump_block
from ampacity.operations.forecast import Run, run_of
from ampacity.operations.forecast_plan import element_blocks, make_plan
from ampacity.operations.offer import plan_print
from ampacity.operations.settings import CycleSettings
from ampacity.operations.stages import Stages
from ampacity.ports import CycleSharing, CycleStore, Engine, GridStore

SIGNS_OF_LIFE = 4  # in the time of a lease


@dataclass(kw_only=True)
class Helper:
    """What a server remembers of cycles of others: the one with which it cannot help, as its own plan is another."""

    declined: UUID | None = field(default=None)


async def help_out(
    slot: datetime, *, helper: Helper, grid: GridStore, cycles: CycleStore, bases: Bases, engine: Engine,
    forecast: ForecastSettings, cycle: CycleSettings,
) -> int:  # fmt: skip
    """Make forecasts for a cycle as long as there are some to make; gives of how many blocks they were of use.

    A server with other settings, another version or other weather leaves it alone.
    """
    offered = await cycles.sharing.offered(slot)
    if offered is None or offered.holder == helper.declined:
        return 0
    plan = await make_plan(slot, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle)
    if await asyncio.to_thread(plan_print, plan) != offered.plan:
        helper.declined = offered.holder
        return 0
    async with engine.share(plan.without_grid()) as shared:
        run = await run_of(plan, grid, cycles, Stages(), bases, engine, shared)
        hand = _Hand(run=run, sharing=cycles.sharing, holder=offered.holder, settings=cycle)
        async with hand.held():
            return sum(await asyncio.gather(*(hand.work() for _ in range(engine.at_once))))


@dataclass(frozen=True, kw_only=True)
class _Hand:
    """Work on the blocks of another server's cycle."""

    run: Run
    sharing: CycleSharing
    holder: UUID
    settings: CycleSettings
    taker: UUID = field(default_factory=uuid4)

    async def work(self) -> int:
        """Block after block, until there is none to take."""
        blocks = {block.start: block for block in element_blocks(len(self.run.plan.network.elements))}
        handed_in = 0
        while (first := await self.sharing.take(self.holder, self.taker, self.settings.block_lease)) is not None:
            block = await self.run.block(blocks[first])
            result = await asyncio.to_thread(dump_block, block)
            handed_in += await self.sharing.hand_in(self.holder, self.taker, first, result)
        return handed_in

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold what is taken while the block runs; what is not done by then is given back."""
        signs = asyncio.create_task(self._give_signs())
        try:
            yield
        finally:
            signs.cancel()
            await asyncio.gather(signs, return_exceptions=True)
            await asyncio.shield(self.sharing.give_back(self.holder, self.taker))

    async def _give_signs(self) -> None:
        while True:
            await asyncio.sleep(self.settings.block_lease_s / SIGNS_OF_LIFE)
            await self.sharing.renew(self.holder, self.taker, self.settings.block_lease)
