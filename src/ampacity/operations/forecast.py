"""Forecast the non-controllable load of all elements, block by block."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from ampacity.forecasting import (
    Designs,
    LoadHistory,
    WeeklyExtremes,
    dump_model,
    fallback_band,
    fit,
    load_model,
    predict,
    update,
)
from ampacity.network.settling import Settled
from ampacity.operations.bases import Base, Bases
from ampacity.operations.block_forecast import BlockForecast
from ampacity.operations.daily_bases import DailyBases, made_base, model_state
from ampacity.operations.extremes import DayExtremes, extremes_with, packed_extremes
from ampacity.operations.forecast_plan import Plan, needs_fit
from ampacity.operations.offer import Offer
from ampacity.operations.pace import Pace
from ampacity.operations.roll_up import Alike, RollUp
from ampacity.operations.rooms import room_of, round_quantiles
from ampacity.operations.settled_loads import Reader
from ampacity.operations.stages import Stages
from ampacity.ports import CycleStore, Engine, Floats, GridStore, KeptModel, PackedBase
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window

RECENT_DAYS = 31  # what a forecast needs of the past when its model is fitted already
FIT_WORKERS = 2  # threads on a fit that a cycle waits for


async def forecasts(
    plan: Plan,
    *,
    grid: GridStore,
    cycles: CycleStore,
    stages: Stages,
    bases: Bases,
    engine: Engine,
    offer: Offer,
) -> AsyncGenerator[BlockForecast]:
    """Forecast block after block, here or on other servers that help.

    Those with elements that have no meter come last, filled in from the others.
    """
    async with engine.share(plan.without_grid()) as shared:
        run = await run_of(plan, grid, cycles, stages, bases, engine, shared)
        made = offer.blocks(plan, run.block, engine.at_once)
        rolled = RollUp(plan=plan, bases=bases, forecast_again=run.block, correlation=Alike(plan, grid).correlation)
        async with aclosing(rolled.filled(made)) as filled:
            async for block in filled:
                yield block


async def run_of(
    plan: Plan, grid: GridStore, cycles: CycleStore, stages: Stages, bases: Bases, engine: Engine, shared: Plan
) -> "Run":
    """A run over blocks; `shared` is the plan without the grid, as the engine has it."""
    return Run(
        plan=plan,
        cycles=cycles,
        reader=Reader(plan, grid, has_use=await grid.load_span("group") is not None),
        models=dict(await cycles.models(plan.made_at)),
        bases=await DailyBases.of(plan, cycles, bases, engine, shared),
        extremes=await DayExtremes.of(plan, cycles),
        stages=stages,
        pace=Pace(cycles),
        engine=engine,
        shared=shared,
    )


@dataclass(kw_only=True)
class Run:
    """One run over blocks."""

    plan: Plan
    cycles: CycleStore
    reader: Reader
    models: dict[int, KeptModel]
    stages: Stages
    pace: Pace
    bases: DailyBases
    extremes: DayExtremes
    engine: Engine
    shared: Plan  # without the grid, as the engine has it
    _fitting: asyncio.Lock = field(default_factory=asyncio.Lock)  # a fit takes much memory, and both cores by itself

    async def block(self, block: range) -> BlockForecast:
        """The forecast of a block; its model is fitted, and its base made, where there is none.

        While somebody asks for capacity there is a rest before it.
        """
        with self.stages.during("make way"):
            await self.pace.rest()
        with self.pace.piece():
            return await self._block(block)

    async def _block(self, block: range) -> BlockForecast:
        kept = self.models.get(block.start)
        if needs_fit(kept, block, self.plan):
            async with self._fitting:
                return await self._fitted(block)
        assert kept is not None
        with self.stages.during("read"):
            base = await self.bases.find(block)
        if base is None:
            known = await self._read(block, RECENT_DAYS)
            return await self._based(block, kept, None, await self._extremes(block), *known)
        settled, window = await self._read_news(block)
        extremes = await self._extremes(block)
        with self.stages.during("forecast"):
            return await self.engine.run(forecast_block, self.shared, block, settled, window, base, extremes)

    async def _fitted(self, block: range) -> BlockForecast:
        plan = self.plan
        settled, window = await self._read(block, plan.cycle.history_days)
        with self.stages.during("fit"):
            found = await self.engine.run(fitted, self.shared, block, settled, window, None, workers=FIT_WORKERS)
        with self.stages.during("keep model"):
            is_ours = await self.cycles.keep_model(block.start, len(block), plan.made_at, plan.made_at, found.state)
            await self.cycles.extremes.keep(block.start, len(block), plan.made_at, found.extremes)
        self.models[block.start] = model = KeptModel(elements=len(block), made_at=plan.made_at, fitted_at=plan.made_at)
        forecast = await self._based(block, model, found.state if is_ours else None, None, settled, window)
        return replace(forecast, refitted=True)

    async def _based(
        self, block: range, model: KeptModel, state: bytes | None, extremes: bytes | None, settled: Settled,
        window: Window,
    ) -> BlockForecast:  # fmt: skip
        """The forecast of a block without a base, and its base kept; of another server's base, if that was first."""
        with self.stages.during("make base"):
            state = state or await model_state(self.cycles, block, model)
            base, packed, forecast = await self.engine.run(
                forecast_with_base, self.shared, block, settled, window, state, self.bases.window, extremes
            )
            kept = await self.bases.keep(block, model, base, packed)
        if kept is base:
            return forecast
        with self.stages.during("forecast"):
            news = news_of(self.plan, settled, window)
            return await self.engine.run(forecast_block, self.shared, block, *news, kept, extremes)

    async def _read_news(self, block: range) -> tuple[Settled, Window]:
        """What a forecast needs of the past when the base of the day is at hand: of yesterday and today."""
        first = _news_from(self.plan)
        if self.plan.with_fallback:
            known_before = self.extremes.read_from(block)
            if known_before is None:
                return await self._read(block, RECENT_DAYS)
            first = min(first, known_before)
        with self.stages.during("read"):
            return await self.reader.since(block, first)

    async def _read(self, block: range, days: int) -> tuple[Settled, Window]:
        """The last days; all of the history where fallbacks are decided that nothing was kept for."""
        if self.plan.with_fallback and self.extremes.read_from(block) is None:
            days = self.plan.cycle.history_days
        with self.stages.during("read"):
            return await self.reader.start(block, days)

    async def _extremes(self, block: range) -> bytes | None:
        with self.stages.during("read"):
            return await self.extremes.packed(block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What is kept of a block's history: its model, and the worst loads that were seen, both packed."""

    state: bytes
    extremes: bytes


def fitted(
    plan: Plan,
    block: range,
    settled: Settled,
    window: Window,
    previous: bytes | None,
    issued: Designs | None = None,
    workers: int = 1,
) -> Learnt:
    """Fit a block's model; its margins are carried on from a previous one."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    model = fit(
        history,
        plan.weather,
        plan.cell[block.start : block.stop],
        plan.forecast,
        designs=plan.designs,
        limit_w=plan.limit_of(block),
        connections=plan.connections[block.start : block.stop],
        as_forecast=None if previous is None else issued,
        previous=None if previous is None else load_model(previous),
        workers=workers,
    )
    return Learnt(state=dump_model(model), extremes=packed_extremes(plan, history))


def updated(plan: Plan, settled: Settled, window: Window, state: bytes, issued: Designs, days: int) -> Learnt:
    """Let a block's model learn from the errors of the last days, up to so many."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    first = max(window.first, window.end - days * QUARTERS_PER_DAY)
    last = LoadHistory(window=Window(first, window.end - first), load_w=settled.load_w[:, :, first - window.first :])
    model = update(load_model(state), last, issued.weather, designs=issued)
    return Learnt(state=dump_model(model), extremes=packed_extremes(plan, history))


def forecast_with_base(
    plan: Plan, block: range, settled: Settled, window: Window, state: bytes, covered: Window, extremes: bytes | None
) -> tuple[Base, PackedBase, BlockForecast]:
    """The forecast of a block and the base that it rests on, made of its model, in one go.

    So the base does not travel to where it was made.
    """
    history = LoadHistory(window=window, load_w=settled.load_w)
    base, packed = made_base(plan, history, state, covered)
    return base, packed, forecast_block(plan, block, *news_of(plan, settled, window), base, extremes)


def news_of(plan: Plan, settled: Settled, window: Window) -> tuple[Settled, Window]:
    """What a forecast needs of the past beside its base, out of what was read for more than that."""
    skip = _news_from(plan) - window.first
    if plan.with_fallback or skip <= 0:
        return settled, window
    return settled.since(skip), Window(window.first + skip, window.count - skip)


def _news_from(plan: Plan) -> int:
    return plan.day_start - QUARTERS_PER_DAY


def forecast_block(
    plan: Plan, block: range, settled: Settled, window: Window, base: Base, extremes: bytes | None = None
) -> BlockForecast:
    """The forecast of a block; its fallbacks rest on packed extremes too, where there are some."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    model, outline = base.outline.model, base.outline
    forecast = predict(
        model, history, plan.weather, window=plan.ahead, designs=plan.designs, daily=base.daily, outline=outline
    )
    round_quantiles(forecast, plan.forecast)
    band_w = _band(plan, extremes_with(extremes, plan, history), plan.limit_of(block)) if plan.with_fallback else None
    return BlockForecast(
        elements=block,
        forecast=forecast,
        room=room_of(plan, block, forecast, band_w),
        marks={**settled.counts(), "clock_moved": model.clock.count},
        refitted=False,
    )


def _band(plan: Plan, extremes: WeeklyExtremes, limit_w: Floats) -> tuple[Floats, Floats]:
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY
    first = plan.origin - plan.origin % QUARTERS_PER_HOUR
    return fallback_band(extremes, plan.forecast, window=Window(first, hours), limit_w=limit_w)
