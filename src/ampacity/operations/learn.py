"""Forecast models learn beside the cycles: every day from their errors, every week anew."""

import asyncio
from datetime import datetime, timedelta

from ampacity.forecasting import Designs, ForecastSettings
from ampacity.operations.forecast import RECENT_DAYS, fitted, updated
from ampacity.operations.forecast_plan import Plan, element_blocks, issued_designs, make_plan, needs_fit
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import CycleStore, GridStore, KeptModel

LEARN_EVERY = timedelta(days=1)
MISSED_DAYS = 16  # that a model catches up on, after a server stood still


async def learn(
    at: datetime, *, grid: GridStore, cycles: CycleStore, forecast: ForecastSettings, cycle: CycleSettings
) -> int:
    """Bring the models that are due up to date; gives how many elements' were.

    Raises:
        NotReady: there is no grid yet.
    """
    models = await cycles.models(at)
    newest = {first: m for first, m in models.items() if at - m.made_at < LEARN_EVERY}
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle)
    due = [b for b in element_blocks(len(plan.network.elements)) if b.start not in newest]
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    issued = await issued_designs(plan, grid)
    for block in due:
        await _learn_block(plan, block, models.get(block.start), reader, cycles, issued)
    return sum(len(block) for block in due)


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
