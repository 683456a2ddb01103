"""Make the bases of the next hours beside the cycles, in the quarter hour before they are needed."""

from datetime import datetime

from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
from ampacity.operations.daily_bases import DailyBases, base_period
from ampacity.operations.forecast import RECENT_DAYS
from ampacity.operations.forecast_plan import element_blocks, make_plan, needs_fit
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import BlockWork, CycleStore, GridStore
from ampacity.timegrid import quarter_at


async def prepare_bases(
    at: datetime, *, grid: GridStore, cycles: CycleStore, forecast: ForecastSettings, cycle: CycleSettings, bases: Bases
) -> int:
    """Make what the next cycle rests on, where it starts new hours; gives of how many elements.

    They are made of what is known now; servers share the blocks.  A block without a model, and whatever is not ready in
    time, is left to the cycle.

    Raises:
        NotReady: there is no grid yet.
    """
    origin = quarter_at(at) + 1
    if base_period(origin, forecast, cycle).first != origin:
        return 0
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle, origin=origin)
    found = await DailyBases.of(plan, cycles, bases)
    models = await cycles.models(at)
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    prepared = 0
    for block in element_blocks(len(plan.network.elements)):
        model = models.get(block.start)
        if model is None or needs_fit(model, block, plan) or found.has(block):
            continue
        async with cycles.sharing.alone(BlockWork.BASES, block.start) as is_ours:
            if not is_ours or await found.is_made(block):  # by another server
                continue
            settled, window = await reader.start(block, RECENT_DAYS)
            await found.make(block, model, settled, window)
            prepared += len(block)
    return prepared
