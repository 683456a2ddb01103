"""Forecast the non-controllable load of all elements, block by block."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import NotReady
from ampacity.forecasting import (
    Designs,
    ForecastSettings,
    LoadForecast,
    LoadHistory,
    Weather,
    dump_model,
    fallback_band,
    fit,
    load_model,
    predict,
    update,
)
from ampacity.network import Network
from ampacity.network.settling import Settled, known_use, settle
from ampacity.operations.limit_shifts import LimitShifts, limit_shifts, reach
from ampacity.operations.settings import CycleSettings
from ampacity.operations.stages import Stages
from ampacity.ports import CycleStore, Floats, GridStore, Ints, KeptModel
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, moment_of, quarter_at

ELEMENTS_PER_BLOCK = 512
RECENT_DAYS = 16  # what a forecast needs of the past when its model is fitted already
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


async def forecasts(plan: Plan, *, grid: GridStore, cycles: CycleStore, stages: Stages) -> AsyncIterator[BlockForecast]:
    """Forecast block after block; the next one is read while one is computed."""
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    models = await cycles.models(plan.made_at)
    blocks = element_blocks(len(plan.network.elements))
    fits = [needs_fit(models.get(block.start), block, plan) for block in blocks]
    days = [plan.cycle.history_days if fit or plan.with_fallback else RECENT_DAYS for fit in fits]
    reading = reader.start(blocks[0], days[0]) if blocks else None
    for i, block in enumerate(blocks):
        assert reading is not None
        with stages.during("read"):
            settled, window = await reading
        if i + 1 < len(blocks):
            reading = reader.start(blocks[i + 1], days[i + 1])
        state: bytes | None
        if fits[i]:
            with stages.during("fit"):
                state = await asyncio.to_thread(fitted, plan, block, settled, window, None)
            with stages.during("keep model"):
                await cycles.keep_model(block.start, len(block), plan.made_at, plan.made_at, state)
        else:
            with stages.during("read"):
                state = await cycles.model(block.start, plan.made_at)
        with stages.during("forecast"):
            yield await asyncio.to_thread(_forecast, plan, block, settled, window, state, fits[i])


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
        known_at = plan.made_at - timedelta(minutes=plan.cycle.measurement_delay_min)
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
    plan: Plan, block: range, settled: Settled, window: Window, state: bytes | None, is_new: bool
) -> BlockForecast:
    assert state is not None
    history = LoadHistory(window=window, load_w=settled.load_w)
    ahead = Window(plan.origin, plan.cycle.horizon)
    return BlockForecast(
        elements=block,
        forecast=predict(load_model(state), history, plan.weather, window=ahead, designs=plan.designs),
        band_w=_band(plan, history, _limit_w(plan, block)) if plan.with_fallback else None,
        marks=settled.counts(),
        refitted=is_new,
    )


def _limit_w(plan: Plan, block: range) -> Floats:
    return plan.limit_w[block.start : block.stop].astype(np.float32)


def _band(plan: Plan, history: LoadHistory, limit_w: Floats) -> tuple[Floats, Floats]:
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY
    first = plan.origin - plan.origin % QUARTERS_PER_HOUR
    return fallback_band(history, plan.forecast, window=Window(first, hours), limit_w=limit_w)
