"""Forecast the non-controllable load of all elements, block by block."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from ampacity.forecasting import (
    DailyForecast,
    Designs,
    ForecastModel,
    LoadForecast,
    LoadHistory,
    days_of_window,
    dump_model,
    fallback_band,
    fit,
    forecast_days,
    load_model,
    predict,
    update,
)
from ampacity.network.settling import Settled
from ampacity.operations.bases import Base, Bases, Made, Rests, packed, weather_print
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast_plan import Plan, element_blocks, needs_fit
from ampacity.operations.rooms import Room, room_of
from ampacity.operations.settled_loads import Reader
from ampacity.operations.stages import Stages
from ampacity.ports import CycleStore, Engine, Floats, GridStore, KeptModel
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, quarter_at

RECENT_DAYS = 16  # what a forecast needs of the past when its model is fitted already
NEWEST_DAYS = 2  # ... and the base of the day is at hand too
FIT_WORKERS = 2  # threads on a fit that a cycle waits for


@dataclass(frozen=True, kw_only=True)
class BlockForecast:
    """The forecast of a block of elements, and what it leaves free."""

    elements: range
    forecast: LoadForecast
    room: Room
    marks: dict[str, int]
    refitted: bool


async def forecasts(
    plan: Plan,
    *,
    grid: GridStore,
    cycles: CycleStore,
    stages: Stages,
    bases: Bases,
    engine: Engine | None = None,
) -> AsyncIterator[BlockForecast]:
    """Forecast block after block, in order; a few are read and computed at a time."""
    engine = engine or LocalEngine()
    async with engine.share(plan.without_grid()) as shared:
        run = await _run_of(plan, grid, cycles, stages, bases, engine, shared)
        async for block in _in_order(run, engine.at_once):
            yield block


async def _run_of(
    plan: Plan, grid: GridStore, cycles: CycleStore, stages: Stages, bases: Bases, engine: Engine, shared: object
) -> "_Run":
    return _Run(
        plan=plan,
        cycles=cycles,
        reader=Reader(plan, grid, has_use=await grid.load_span("group") is not None),
        models=await cycles.models(plan.made_at),
        newest_late=await grid.newest_block(plan.day_start),
        weather=weather_print(plan.weather, plan.origin),
        stages=stages,
        bases=bases,
        engine=engine,
        shared=shared,
    )


async def _in_order(run: "_Run", at_once: int) -> AsyncIterator[BlockForecast]:
    waiting: deque[asyncio.Task[BlockForecast]] = deque()
    try:
        for block in element_blocks(len(run.plan.network.elements)):
            waiting.append(asyncio.create_task(run.block(block)))
            if len(waiting) >= at_once:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@dataclass(kw_only=True)
class _Run:
    """One run over all blocks."""

    plan: Plan
    cycles: CycleStore
    reader: Reader
    models: Mapping[int, KeptModel]
    newest_late: int
    weather: bytes
    stages: Stages
    bases: Bases
    engine: Engine
    shared: object  # the plan, without the grid
    _fitting: asyncio.Lock = field(default_factory=asyncio.Lock)  # a fit takes much memory, and both cores by itself

    async def block(self, block: range) -> BlockForecast:
        plan, kept = self.plan, self.models.get(block.start)
        is_new = needs_fit(kept, block, plan)
        if is_new:
            async with self._fitting:
                return await self._fitted(block)
        assert kept is not None
        rests = self._rests(kept, block)
        base = self.bases.usable(block.start, rests, *days_of_window(plan.ahead, plan.forecast.day_start_quarter))
        days = plan.cycle.history_days if plan.with_fallback else RECENT_DAYS if base is None else NEWEST_DAYS
        settled, window = await self._read(block, days)
        state: bytes | None = None
        if base is None:
            with self.stages.during("read"):
                state = await self.cycles.model(block.start, plan.made_at)
        with self.stages.during("forecast"):
            made, forecast = await self.engine.run(forecast_block, self.shared, block, settled, window, state, base)
        if made is not None:
            self.bases.keep(block.start, rests, made)
        return forecast

    async def _fitted(self, block: range) -> BlockForecast:
        plan = self.plan
        settled, window = await self._read(block, plan.cycle.history_days)
        with self.stages.during("fit"):
            state = await self.engine.run(fitted, self.shared, block, settled, window, None, workers=FIT_WORKERS)
        with self.stages.during("keep model"):
            await self.cycles.keep_model(block.start, len(block), plan.made_at, plan.made_at, state)
        with self.stages.during("forecast"):
            made, forecast = await self.engine.run(forecast_block, self.shared, block, settled, window, state, None)
        assert made is not None
        model = KeptModel(elements=len(block), made_at=plan.made_at, fitted_at=plan.made_at)
        self.bases.keep(block.start, self._rests(model, block), made)
        return replace(forecast, refitted=True)

    async def _read(self, block: range, days: int) -> tuple[Settled, Window]:
        with self.stages.during("read"):
            return await self.reader.start(block, days)

    def _rests(self, model: KeptModel, block: range) -> Rests:
        return Rests(
            model_made_at=model.made_at,
            elements=len(block),
            known_until=min(quarter_at(self.plan.known_at), self.plan.day_start),
            newest_late=self.newest_late,
            weather=self.weather,
        )


def fitted(
    plan: Plan,
    block: range,
    settled: Settled,
    window: Window,
    previous: bytes | None,
    issued: Designs | None = None,
    workers: int = 1,
) -> bytes:
    """Fit a block's model; its margins are carried on from a previous one."""
    model = fit(
        LoadHistory(window=window, load_w=settled.load_w),
        plan.weather,
        plan.cell[block.start : block.stop],
        plan.forecast,
        designs=plan.designs,
        limit_w=plan.limit_of(block),
        as_forecast=None if previous is None else issued,
        previous=None if previous is None else load_model(previous),
        workers=workers,
    )
    return dump_model(model)


def updated(settled: Settled, window: Window, state: bytes, issued: Designs) -> bytes:
    """Let a block's model learn from the errors of the last days."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    return dump_model(update(load_model(state), history, issued.weather, designs=issued))


def forecast_block(
    plan: Plan, block: range, settled: Settled, window: Window, state: bytes | None, base: Base | None
) -> tuple[Made | None, BlockForecast]:
    """The forecast of a block, and its base where that had to be made."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    made = None if base is not None else _made(plan, history, state)
    model, daily = (base.model(), base.daily) if base is not None else _both(made)
    forecast = predict(model, history, plan.weather, window=plan.ahead, designs=plan.designs, daily=daily)
    band_w = _band(plan, history, plan.limit_of(block)) if plan.with_fallback else None
    return made, BlockForecast(
        elements=block,
        forecast=forecast,
        room=room_of(plan, block, forecast, band_w),
        marks={**settled.counts(), "clock_moved": model.clock.count},
        refitted=False,
    )


def _made(plan: Plan, history: LoadHistory, state: bytes | None) -> Made:
    assert state is not None
    model = load_model(state)
    daily = forecast_days(model, history, plan.weather, window=plan.ahead, designs=plan.designs)
    return Made(daily=daily, model=model, packed=packed(model))


def _both(made: Made | None) -> tuple[ForecastModel, DailyForecast]:
    assert made is not None
    return made.model, made.daily


def _band(plan: Plan, history: LoadHistory, limit_w: Floats) -> tuple[Floats, Floats]:
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY
    first = plan.origin - plan.origin % QUARTERS_PER_HOUR
    return fallback_band(history, plan.forecast, window=Window(first, hours), limit_w=limit_w)
