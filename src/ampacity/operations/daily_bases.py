"""Bases of one period: found in memory or in the store, made where there is none yet."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ampacity.errors import NotReady
from ampacity.forecasting import (
    ForecastSettings,
    LoadHistory,
    days_of_window,
    dump_daily,
    dump_outline,
    forecast_days,
    load_daily,
    load_model,
    load_outline,
)
from ampacity.network.settling import Settled
from ampacity.operations.bases import Base, Bases, period_of, weather_print
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.settings import CycleSettings
from ampacity.ports import BaseKey, CycleStore, Engine, KeptModel, PackedBase, StoredBase
from ampacity.timegrid import Window

MINUTES_PER_QUARTER = 15


@dataclass(frozen=True, kw_only=True)
class DailyBases:
    """The bases that a plan's forecasts rest on."""

    plan: Plan
    cycles: CycleStore
    kept: Bases
    window: Window  # what they have to cover: until the last forecast that is made of them ends
    mark: int
    weather: bytes
    stored: Mapping[int, StoredBase]
    engine: Engine
    shared: Plan  # as the engine has it

    @classmethod
    async def of(cls, plan: Plan, cycles: CycleStore, kept: Bases, engine: Engine, shared: Plan) -> "DailyBases":
        """See which there are."""
        period = base_period(plan.origin, plan.forecast, plan.cycle)
        window = Window(plan.origin, period.end - plan.origin + plan.cycle.horizon)
        weather = weather_print(plan.weather, plan.origin, window.end)
        _, end_day = days_of_window(window, plan.forecast.day_start_quarter)
        stored = await cycles.daily.bases(period.first, weather, end_day, plan.made_at)
        return cls(
            plan=plan, cycles=cycles, kept=kept, window=window, mark=period.first, weather=weather, stored=stored,
            engine=engine, shared=shared,
        )  # fmt: skip

    def has(self, block: range) -> bool:
        stored = self.stored.get(block.start)
        return stored is not None and stored.elements == len(block)

    async def is_made(self, block: range) -> bool:
        """Whether it has been made by now."""
        _, end_day = days_of_window(self.window, self.plan.forecast.day_start_quarter)
        found = await self.cycles.daily.bases(self.mark, self.weather, end_day, self.plan.made_at, block.start)
        return block.start in found and found[block.start].elements == len(block)

    async def find(self, block: range) -> Base | None:
        """The base of a block, if it has been made."""
        return await self._loaded(block, self.stored[block.start]) if self.has(block) else None

    async def make(self, block: range, model: KeptModel, settled: Settled, window: Window) -> Base:
        """Make the base of a block from the days before, and keep it; another server's, if that was first.

        Raises:
            NotReady: the model has been replaced meanwhile.
        """
        state = await model_state(self.cycles, block, model)
        history = LoadHistory(window=window, load_w=settled.load_w)
        base, packed = await self.engine.run(made_base, self.shared, history, state, self.window)
        return await self.keep(block, model, base, packed)

    async def keep(self, block: range, model: KeptModel, base: Base, packed: PackedBase) -> Base:
        """Keep the base of a block that was made just now; another server's, if that was first."""
        self.kept.made += 1
        stored, is_ours = await self.cycles.daily.keep_base(self._key(block), model.made_at, packed)
        if not is_ours:
            return await self._loaded(block, stored)
        self.kept.keep(block.start, stored.base_id, base)
        return base

    def _key(self, block: range) -> BaseKey:
        _, end_day = days_of_window(self.window, self.plan.forecast.day_start_quarter)
        return BaseKey(
            first_no=block.start, elements=len(block), mark=self.mark, end_day=end_day,
            weather=self.weather, made_at=self.plan.made_at,
        )  # fmt: skip

    async def _loaded(self, block: range, stored: StoredBase) -> Base:
        at_hand = self.kept.at_hand(block.start, stored.base_id)
        if at_hand is not None:
            return at_hand
        packed = await self.cycles.daily.base(stored.base_id)
        base = await asyncio.to_thread(_loaded, packed)
        self.kept.keep(block.start, stored.base_id, base)
        return base


def _loaded(packed: PackedBase) -> Base:
    return Base(daily=load_daily(packed.daily), outline=load_outline(packed.outline))


async def model_state(cycles: CycleStore, block: range, model: KeptModel) -> bytes:
    """The packed model of a block.

    Raises:
        NotReady: it is kept no more, as a newer one is.
    """
    state = await cycles.model(block.start, model.made_at)
    if state is None:
        raise NotReady(
            f"the model of elements {block.start} to {block.stop - 1} of {model.made_at:%Y-%m-%d %H:%M} UTC"
            " is kept no more: a newer one is"
        )
    return state


def made_base(plan: Plan, history: LoadHistory, state: bytes, window: Window) -> tuple[Base, PackedBase]:
    """The base of a block over a window, and the same packed."""
    model = load_model(state)
    daily = forecast_days(model, history, plan.weather, window=window, designs=plan.designs)
    base = Base.of(model, daily)
    return base, PackedBase(daily=dump_daily(base.daily), outline=dump_outline(base.outline))


def base_period(origin: int, forecast: ForecastSettings, cycle: CycleSettings) -> Window:
    """The quarters for which the base of an origin serves."""
    delay = -(-cycle.measurement_delay_min // MINUTES_PER_QUARTER)
    return period_of(origin, forecast.day_start_quarter, delay)
