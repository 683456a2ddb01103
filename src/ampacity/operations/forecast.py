"""Forecast the non-controllable load of all elements, block by block."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import NotReady
from ampacity.forecasting import (
    DailyForecast,
    Designs,
    ForecastModel,
    ForecastSettings,
    LoadForecast,
    LoadHistory,
    Weather,
    days_of_window,
    dump_model,
    fallback_band,
    fit,
    forecast_days,
    load_model,
    predict,
    update,
)
from ampacity.network import Network
from ampacity.network.settling import Settled, known_use, settle
from ampacity.operations.bases import Base, Bases, Made, Rests, packed, weather_print
from ampacity.operations.limit_shifts import LimitShifts, limit_shifts, reach
from ampacity.operations.settings import CycleSettings
from ampacity.operations.stages import Stages
from ampacity.ports import CycleStore, Floats, GridStore, Ints, KeptModel
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, moment_of, quarter_at

ELEMENTS_PER_BLOCK = 512
RECENT_DAYS = 16  # what a forecast needs of the past when its model is fitted already
NEWEST_DAYS = 2  # ... and the base of the day is at hand too
BLOCKS_AT_ONCE = 2
GROUPS_AT_ONCE = 1024
FALLBACK_EVERY = timedelta(days=1)
GRACE_DAYS = 1  # a model is refitted beside the cycles; a cycle does it itself only where that did not happen


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of forecasts needs to know; the same for every block."""

    network: Network
    limit_w: Floats  # (E, 3) by the rating
    shifts: LimitShifts  # what people set instead
    weather: Weather
    designs: Designs  # shared columns of the regression, made once for all blocks
    cell: Ints  # (E,) index of the weather cell, -1 for none
    origin: int  # the quarter from which on is forecast
    made_at: datetime
    forecast: ForecastSettings
    cycle: CycleSettings
    with_fallback: bool

    @property
    def known_at(self) -> datetime:
        """Up to when measurements count as known."""
        return self.made_at - timedelta(minutes=self.cycle.measurement_delay_min)


@dataclass(frozen=True, kw_only=True)
class BlockForecast:
    """The forecast of a block of elements, and its worst credible band where that was asked for."""

    elements: range
    forecast: LoadForecast
    band_w: tuple[Floats, Floats] | None  # low and high, (E, 3, hours)
    marks: dict[str, int]
    refitted: bool


async def make_plan(
    at: datetime, *, grid: GridStore, cycles: CycleStore, forecast: ForecastSettings, cycle: CycleSettings
) -> Plan:
    """What forecasts made at the start of a quarter hour need.

    Raises:
        NotReady: there is no grid yet.
    """
    network = await grid.network()
    if not network.elements:
        raise NotReady("there is no grid yet: import a folder first")
    newest_fallback = await cycles.fallback_made_at(at)
    origin = quarter_at(at)
    weather = await grid.weather(weather_window(origin, cycle), at)
    ahead = reach(origin, cycle)
    changes = await grid.limit_changes(ahead, at)
    return Plan(
        network=network,
        limit_w=network.limit_w(cycle.power_factor),
        shifts=limit_shifts(network.limit_w(cycle.power_factor), changes, ahead),
        weather=weather,
        designs=Designs(weather, forecast),
        cell=nearest_cell(network, weather),
        origin=origin,
        made_at=at,
        forecast=forecast,
        cycle=cycle,
        with_fallback=newest_fallback is None or at - newest_fallback >= FALLBACK_EVERY,
    )


async def forecasts(
    plan: Plan, *, grid: GridStore, cycles: CycleStore, stages: Stages, bases: Bases
) -> AsyncIterator[BlockForecast]:
    """Forecast block after block, in order; a few are read and computed at a time."""
    run = _Run(
        plan=plan,
        cycles=cycles,
        reader=Reader(plan, grid, has_use=await grid.load_span("group") is not None),
        models=await cycles.models(plan.made_at),
        newest_late=await grid.newest_block(_day_start(plan)),
        weather=weather_print(plan.weather, plan.origin),
        stages=stages,
        bases=bases,
    )
    waiting: deque[asyncio.Task[BlockForecast]] = deque()
    try:
        for block in element_blocks(len(plan.network.elements)):
            waiting.append(asyncio.create_task(run.block(block)))
            if len(waiting) >= BLOCKS_AT_ONCE:
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
    reader: "Reader"
    models: Mapping[int, KeptModel]
    newest_late: int
    weather: bytes
    stages: Stages
    bases: Bases
    _fitting: asyncio.Lock = field(default_factory=asyncio.Lock)  # a fit takes much memory, and both cores by itself

    async def block(self, block: range) -> BlockForecast:
        plan, kept = self.plan, self.models.get(block.start)
        is_new = needs_fit(kept, block, plan)
        if is_new:
            async with self._fitting:
                return await self._fitted(block)
        assert kept is not None
        rests = self._rests(kept, block)
        base = self.bases.usable(block.start, rests, *days_of_window(_ahead(plan), plan.forecast.day_start_quarter))
        days = plan.cycle.history_days if plan.with_fallback else RECENT_DAYS if base is None else NEWEST_DAYS
        settled, window = await self._read(block, days)
        state: bytes | None = None
        if base is None:
            with self.stages.during("read"):
                state = await self.cycles.model(block.start, plan.made_at)
        with self.stages.during("forecast"):
            made, forecast = await asyncio.to_thread(_forecast, plan, block, settled, window, state, base)
        if made is not None:
            self.bases.keep(block.start, rests, made)
        return forecast

    async def _fitted(self, block: range) -> BlockForecast:
        plan = self.plan
        settled, window = await self._read(block, plan.cycle.history_days)
        with self.stages.during("fit"):
            state = await asyncio.to_thread(fitted, plan, block, settled, window, None)
        with self.stages.during("keep model"):
            await self.cycles.keep_model(block.start, len(block), plan.made_at, plan.made_at, state)
        with self.stages.during("forecast"):
            made, forecast = await asyncio.to_thread(_forecast, plan, block, settled, window, state, None)
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
            known_until=min(quarter_at(self.plan.known_at), _day_start(self.plan)),
            newest_late=self.newest_late,
            weather=self.weather,
        )


def _ahead(plan: Plan) -> Window:
    return Window(plan.origin, plan.cycle.horizon)


def _day_start(plan: Plan) -> int:
    """The quarter at which the day of the origin starts, for the forecast."""
    first = plan.forecast.day_start_quarter
    return days_of_window(_ahead(plan), first)[0] * QUARTERS_PER_DAY + first


def needs_fit(model: KeptModel | None, block: range, plan: Plan) -> bool:
    """Whether a block has no model that can be used."""
    if model is None or model.elements != len(block):
        return True
    return plan.made_at - model.fitted_at >= timedelta(days=plan.cycle.refit_after_days + GRACE_DAYS)


def element_blocks(elements: int) -> list[range]:
    """Numbers of the elements of each block."""
    return [range(i, min(i + ELEMENTS_PER_BLOCK, elements)) for i in range(0, elements, ELEMENTS_PER_BLOCK)]


def nearest_cell(network: Network, weather: Weather) -> Ints:
    """Index of each element's nearest weather cell, shape (E,); without coordinates the only cell, else -1."""
    only = 0 if len(weather.latitude) == 1 else -1
    cell = np.full(len(network.elements), only, np.int64)
    places = [(i, e.latitude, e.longitude) for i, e in enumerate(network.elements)]
    placed = [(i, lat, lon) for i, lat, lon in places if lat is not None and lon is not None]
    if placed and len(weather.latitude):
        rows, lat, lon = (np.array(column, float) for column in zip(*placed, strict=True))
        east = np.cos(np.radians(lat))[:, None] * (lon[:, None] - weather.longitude)
        cell[rows.astype(int)] = np.argmin((lat[:, None] - weather.latitude) ** 2 + east**2, axis=1)
    return cell


class Reader:
    """Reads blocks and settles them, ahead of their use."""

    def __init__(self, plan: Plan, grid: GridStore, *, has_use: bool) -> None:
        self._plan, self._grid, self._has_use = plan, grid, has_use

    def start(self, block: range, days: int) -> "asyncio.Task[tuple[Settled, Window]]":
        """Begin to read the last days before the origin."""
        window = Window(self._plan.origin - days * QUARTERS_PER_DAY, days * QUARTERS_PER_DAY)
        return asyncio.create_task(self._settled(block, window))

    async def _settled(self, block: range, window: Window) -> tuple[Settled, Window]:
        plan = self._plan
        known_at = plan.known_at
        measured_w = await self._grid.loads("element", block, window, known_at)
        used_w: Floats = np.zeros((1, 1, 1), np.float32)
        if self._has_use:
            used_w = await _used(plan.network, block, window, known_at, self._grid)
        used_w = np.broadcast_to(used_w, measured_w.shape)
        limit_w = plan.limit_w[block.start : block.stop]
        return await asyncio.to_thread(settle, measured_w, used_w, limit_w), window


async def _used(network: Network, block: range, window: Window, known_at: datetime, grid: GridStore) -> Floats:
    """What the groups behind a block of elements drew [W], shape (E, 3, T), in runs of groups that fit memory."""
    used_w = np.zeros((len(block), 3, window.count), np.float32)
    for first in range(0, len(network.groups), GROUPS_AT_ONCE):
        groups = range(first, min(first + GROUPS_AT_ONCE, len(network.groups)))
        paths = paths_into(network, groups, block)
        if paths[0].size:
            group_w = known_use(await grid.loads("group", groups, window, known_at))
            np.add.at(used_w, paths[1], group_w[paths[0]].astype(np.float32))
    return used_w


def paths_into(network: Network, groups: range, block: range) -> tuple[Ints, Ints]:
    """Pairs (group in the run, element in the block) where the element lies on the group's path to the root."""
    rows, at = np.arange(len(groups)), network.element[groups.start : groups.stop].copy()
    found_groups: list[NDArray[np.int64]] = []
    found_elements: list[NDArray[np.int64]] = []
    while rows.size:
        inside = (at >= block.start) & (at < block.stop)
        found_groups.append(rows[inside])
        found_elements.append(at[inside] - block.start)
        at = network.parent[at]
        rows, at = rows[at >= 0], at[at >= 0]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *found_groups]), np.concatenate([none, *found_elements])


def weather_window(origin: int, settings: CycleSettings) -> Window:
    """The weather that a fit and a forecast made at a quarter can use."""
    past = settings.history_days * QUARTERS_PER_DAY
    return Window(origin - past, past + max(settings.horizon, 2 * QUARTERS_PER_DAY))


async def issued_designs(plan: Plan, grid: GridStore) -> Designs:
    """Designs of the weather as it was known when yesterday began: what yesterday's errors are to be judged with."""
    first = plan.forecast.day_start_quarter
    today = (plan.origin - first) // QUARTERS_PER_DAY * QUARTERS_PER_DAY + first
    window = weather_window(plan.origin, plan.cycle)
    return Designs(await grid.weather(window, moment_of(today - QUARTERS_PER_DAY)), plan.forecast)


def fitted(
    plan: Plan,
    block: range,
    settled: Settled,
    window: Window,
    previous: bytes | None,
    issued: Designs | None = None,
) -> bytes:
    """Fit a block's model; its margins are carried on from a previous one."""
    model = fit(
        LoadHistory(window=window, load_w=settled.load_w),
        plan.weather,
        plan.cell[block.start : block.stop],
        plan.forecast,
        designs=plan.designs,
        limit_w=_limit_w(plan, block),
        as_forecast=None if previous is None else issued,
        previous=None if previous is None else load_model(previous),
    )
    return dump_model(model)


def updated(settled: Settled, window: Window, state: bytes, issued: Designs) -> bytes:
    """Let a block's model learn from the errors of the last days."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    return dump_model(update(load_model(state), history, issued.weather, designs=issued))


def _forecast(
    plan: Plan, block: range, settled: Settled, window: Window, state: bytes | None, base: Base | None
) -> tuple[Made | None, BlockForecast]:
    """The forecast of a block, and its base where that had to be made."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    made = None if base is not None else _made(plan, history, state)
    model, daily = (base.model(), base.daily) if base is not None else _both(made)
    return made, BlockForecast(
        elements=block,
        forecast=predict(model, history, plan.weather, window=_ahead(plan), designs=plan.designs, daily=daily),
        band_w=_band(plan, history, _limit_w(plan, block)) if plan.with_fallback else None,
        marks=settled.counts(),
        refitted=False,
    )


def _made(plan: Plan, history: LoadHistory, state: bytes | None) -> Made:
    assert state is not None
    model = load_model(state)
    daily = forecast_days(model, history, plan.weather, window=_ahead(plan), designs=plan.designs)
    return Made(daily=daily, model=model, packed=packed(model))


def _both(made: Made | None) -> tuple[ForecastModel, DailyForecast]:
    assert made is not None
    return made.model, made.daily


def _limit_w(plan: Plan, block: range) -> Floats:
    return plan.limit_w[block.start : block.stop].astype(np.float32)


def _band(plan: Plan, history: LoadHistory, limit_w: Floats) -> tuple[Floats, Floats]:
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY
    first = plan.origin - plan.origin % QUARTERS_PER_HOUR
    return fallback_band(history, plan.forecast, window=Window(first, hours), limit_w=limit_w)
