"""Forecast models learn beside the cycles: every day from their errors, every week anew."""

import asyncio
from datetime import datetime, timedelta

from ampacity.forecasting import Designs, ForecastSettings
from ampacity.operations.forecast import RECENT_DAYS, fitted, updated
from ampacity.operations.forecast_plan import Plan, element_blocks, issued_designs, make_plan, needs_fit
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import BlockWork, CycleStore, GridStore, KeptModel

LEARN_EVERY = timedelta(days=1)
MISSED_DAYS = 16  # that a model catches up on, after a server stood still


async def learn(
    at: datetime, *, grid: GridStore, cycles: CycleStore, forecast: ForecastSettings, cycle: CycleSettings
) -> int:
    """Bring the models that are due up to date; gives how many elements' were, here.

    Servers that learn at the same time share the blocks.

    Raises:
        NotReady: there is no grid yet.
    """
    models = await cycles.models(at)
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle)
    due = [b for b in element_blocks(len(plan.network.elements)) if _is_due(models.get(b.start), at)]
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    issued = await issued_designs(plan, grid)
    learnt = 0
    for block in due:
        async with cycles.sharing.alone(BlockWork.LEARNING, block.start) as is_ours:
            model = (await cycles.models(at, block.start)).get(block.start) if is_ours else None
            if is_ours and _is_due(model, at):  # still: not learnt by another server since
                await _learn_block(plan, block, model, reader, cycles, issued)
                learnt += len(block)
    return learnt


def _is_due(model: KeptModel | None, at: datetime) -> bool:
    return model is None or at - model.made_at >= LEARN_EVERY


async def _learn_block(
    plan: Plan, block: range, model: KeptModel | None, reader: Reader, cycles: CycleStore, issued: Designs
) -> None:
    state = None if needs_fit(model, block, plan) else await cycles.model(block.start, plan.made_at)
    is_old = model is None or plan.made_at - model.fitted_at >= timedelta(days=plan.cycle.refit_after_days)
    if state is None or is_old:
        settled, window = await reader.start(block, plan.cycle.history_days)
        new_state = await asyncio.to_thread(fitted, plan, block, settled, window, state, issued)
        fitted_at = plan.made_at
    else:
        assert model is not None
        settled, window = await reader.start(block, RECENT_DAYS + MISSED_DAYS)
        new_state = await asyncio.to_thread(updated, settled, window, state, issued)
        fitted_at = model.fitted_at
    await cycles.keep_model(block.start, len(block), plan.made_at, fitted_at, new_state)
