"""Make the bases of the next hours beside the cycles, in the quarter hour before they are needed."""

from datetime import datetime

from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
from ampacity.operations.block_work import work_through
from ampacity.operations.daily_bases import DailyBases, base_period
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast import RECENT_DAYS
from ampacity.operations.forecast_plan import element_blocks, make_plan, needs_fit
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import BlockWork, CycleStore, Engine, GridStore
from ampacity.timegrid import quarter_at


async def prepare_bases(
    at: datetime,
    *,
    grid: GridStore,
    cycles: CycleStore,
    forecast: ForecastSettings,
    cycle: CycleSettings,
    bases: Bases,
    engine: Engine | None = None,
) -> int:
    """Make what the next cycle rests on, where it starts new hours; gives of how many elements.

    They are made of what is known now; servers share the blocks, and the engine works on a few of them at a time.  A
    block without a model, and whatever is not ready in time, is left to the cycle.

    Raises:
        NotReady: there is no grid yet.
    """
    origin = quarter_at(at) + 1
    if base_period(origin, forecast, cycle).first != origin:
        return 0
    engine = engine or LocalEngine()
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle, origin=origin)
    models = await cycles.models(at)
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    async with engine.share(plan.without_grid()) as shared, cycles.sharing.alone(BlockWork.BASES) as locks:
        found = await DailyBases.of(plan, cycles, bases, engine, shared)

        async def prepare(block: range) -> bool:
            if await found.is_made(block):  # by another server
                return False
            settled, window = await reader.start(block, RECENT_DAYS)
            await found.make(block, models[block.start], settled, window)
            return True

        missing = [
            block
            for block in element_blocks(len(plan.network.elements))
            if block.start in models and not needs_fit(models[block.start], block, plan) and not found.has(block)
        ]
        return await work_through(missing, engine.at_once, locks, prepare)
