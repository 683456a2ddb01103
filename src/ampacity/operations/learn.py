"""Forecast models learn beside the cycles: every day from their errors, every week anew, some of them each day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ampacity.forecasting import Designs, ForecastSettings
from ampacity.forecasting.fallback import WEEKS
from ampacity.operations.block_work import work_through
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast import RECENT_DAYS, fitted, updated
from ampacity.operations.forecast_plan import Plan, element_blocks, is_fit_day, issued_designs, make_plan, needs_fit
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import BlockWork, CycleStore, Engine, GridStore, KeptModel

LEARN_EVERY = timedelta(days=1)
MISSED_DAYS = 16  # that a model catches up on, after a server stood still
LEARN_DAYS = RECENT_DAYS + MISSED_DAYS


async def learn(
    at: datetime,
    *,
    grid: GridStore,
    cycles: CycleStore,
    forecast: ForecastSettings,
    cycle: CycleSettings,
    engine: Engine | None = None,
) -> int:
    """Bring the models that are due up to date; gives how many elements' were, here.

    Servers that learn at the same time share the blocks; the engine works on a few of them at a time.

    Raises:
        NotReady: there is no grid yet.
    """
    engine = engine or LocalEngine()
    models = await cycles.models(at)
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle)
    due = [b for b in element_blocks(len(plan.network.elements)) if _is_due(models.get(b.start), at)]
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    async with (
        engine.share(plan.without_grid()) as shared,
        engine.share(await issued_designs(plan, grid)) as issued,
        cycles.sharing.alone(BlockWork.LEARNING) as locks,
    ):
        learner = _Learner(plan=plan, reader=reader, cycles=cycles, engine=engine, shared=shared, issued=issued)
        return await work_through(due, engine.at_once, locks, learner.learn)


def days_read(history_days: int) -> int:
    """How many days a model that learns reads: those that it learns from, and those of which the worst is kept.

    >>> [days_read(days) for days in (30, 56, 365)]
    [47, 56, 56]
    """
    return max(LEARN_DAYS, min(history_days, WEEKS * 7))


def _is_due(model: KeptModel | None, at: datetime) -> bool:
    return model is None or at - model.made_at >= LEARN_EVERY


@dataclass(frozen=True, kw_only=True)
class _Learner:
    plan: Plan
    reader: Reader
    cycles: CycleStore
    engine: Engine
    shared: Plan  # without the grid, as the engine has it
    issued: Designs  # the designs that the newest errors are judged with, likewise

    async def learn(self, block: range) -> bool:
        """Bring a block's model up to date, unless another server has done so since."""
        plan, cycles = self.plan, self.cycles
        model = (await cycles.models(plan.made_at, block.start)).get(block.start)
        if not _is_due(model, plan.made_at):
            return False
        state = None if needs_fit(model, block, plan) else await cycles.model(block.start, plan.made_at)
        if model is None or state is None or self._is_due_for_fit(block, model):
            settled, window = await self.reader.start(block, plan.cycle.history_days)
            found = await self.engine.run(fitted, self.shared, block, settled, window, state, self.issued)
            fitted_at = plan.made_at
        else:
            settled, window = await self.reader.start(block, days_read(plan.cycle.history_days))
            found = await self.engine.run(updated, self.shared, settled, window, state, self.issued, LEARN_DAYS)
            fitted_at = model.fitted_at
        await cycles.keep_model(block.start, len(block), plan.made_at, fitted_at, found.state)
        await cycles.extremes.keep(block.start, len(block), plan.made_at, found.extremes)
        return True

    def _is_due_for_fit(self, block: range, model: KeptModel) -> bool:
        every, at = self.plan.cycle.refit_after_days, self.plan.made_at
        return is_fit_day(block, at, every) or at - model.fitted_at >= timedelta(days=every)
