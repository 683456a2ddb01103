"""Forecast the non-controllable load of all elements, block by block."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

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
)
from ampacity.network import Network
from ampacity.network.settling import Settled, known_use, settle
from ampacity.operations.settings import CycleSettings
from ampacity.operations.stages import Stages
from ampacity.ports import CycleStore, Floats, GridStore, Ints, JsonObject
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window

ELEMENTS_PER_BLOCK = 512
RECENT_DAYS = 16  # what a forecast needs of the past when its model is fitted already
GROUPS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of forecasts needs to know; the same for every block."""

    network: Network
    limit_w: Floats  # (E, 3)
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


async def forecasts(plan: Plan, *, grid: GridStore, cycles: CycleStore, stages: Stages) -> AsyncIterator[BlockForecast]:
    """Forecast block after block; the next one is read while one is computed."""
    ages = await cycles.model_ages(plan.made_at)
    blocks = element_blocks(len(plan.network.elements))
    reporting = await grid.load_span("group")
    reading = _read_ahead(plan, blocks[0], ages, grid, reporting is not None) if blocks else None
    for i, block in enumerate(blocks):
        assert reading is not None
        with stages.during("read"):
            settled, window, is_due = await reading
        if i + 1 < len(blocks):
            reading = _read_ahead(plan, blocks[i + 1], ages, grid, reporting is not None)
        state = None if is_due else await cycles.model(block.start, plan.made_at)
        with stages.during("forecast"):
            found, new_state = await asyncio.to_thread(_compute, plan, block, settled, window, state)
        if new_state is not None:
            with stages.during("keep model"):
                await cycles.keep_model(block.start, len(block), plan.made_at, _settings(plan), new_state)
        yield found


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


def _read_ahead(
    plan: Plan, block: range, ages: Mapping[int, tuple[int, datetime]], grid: GridStore, has_use: bool
) -> "asyncio.Task[tuple[Settled, Window, bool]]":
    elements, made_at = ages.get(block.start, (0, plan.made_at))
    is_due = elements != len(block) or plan.made_at - made_at >= timedelta(hours=plan.cycle.refit_after_h)
    days = plan.cycle.history_days if is_due or plan.with_fallback else RECENT_DAYS
    window = Window(plan.origin - days * QUARTERS_PER_DAY, days * QUARTERS_PER_DAY)
    return asyncio.create_task(_settled(plan, block, window, is_due, grid, has_use))


async def _settled(
    plan: Plan, block: range, window: Window, is_due: bool, grid: GridStore, has_use: bool
) -> tuple[Settled, Window, bool]:
    known_at = plan.made_at - timedelta(minutes=plan.cycle.measurement_delay_min)
    measured_w = await grid.loads("element", block, window, known_at)
    used_w = await _used(plan.network, block, window, known_at, grid) if has_use else np.zeros((1, 1, 1), np.float32)
    limit_w = plan.limit_w[block.start : block.stop]
    return (
        await asyncio.to_thread(settle, measured_w, np.broadcast_to(used_w, measured_w.shape), limit_w),
        window,
        is_due,
    )


async def _used(network: Network, block: range, window: Window, known_at: datetime, grid: GridStore) -> Floats:
    """What the groups behind a block of elements drew [W], shape (E, 3, T), in runs of groups that fit memory."""
    used_w = np.zeros((len(block), 3, window.count), np.float32)
    for first in range(0, len(network.groups), GROUPS_AT_ONCE):
        groups = range(first, min(first + GROUPS_AT_ONCE, len(network.groups)))
        paths = _paths_into(network, groups, block)
        if paths[0].size:
            group_w = known_use(await grid.loads("group", groups, window, known_at))
            np.add.at(used_w, paths[1], group_w[paths[0]].astype(np.float32))
    return used_w


def _paths_into(network: Network, groups: range, block: range) -> tuple[Ints, Ints]:
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


def _compute(
    plan: Plan, block: range, settled: Settled, window: Window, state: bytes | None
) -> tuple[BlockForecast, bytes | None]:
    """Fit where that is due, predict; gives the forecast and the new model's state."""
    history = LoadHistory(window=window, load_w=settled.load_w)
    limit_w = plan.limit_w[block.start : block.stop].astype(np.float32)
    if state is None:
        cell = plan.cell[block.start : block.stop]
        model = fit(history, plan.weather, cell, plan.forecast, designs=plan.designs, limit_w=limit_w)
    else:
        model = load_model(state)
    found = BlockForecast(
        elements=block,
        forecast=predict(
            model, history, plan.weather, window=Window(plan.origin, plan.cycle.horizon), designs=plan.designs
        ),
        band_w=_band(plan, history, limit_w) if plan.with_fallback else None,
        marks=settled.counts(),
        refitted=state is None,
    )
    return found, dump_model(model) if state is None else None


def _band(plan: Plan, history: LoadHistory, limit_w: Floats) -> tuple[Floats, Floats]:
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY
    first = plan.origin - plan.origin % QUARTERS_PER_HOUR
    return fallback_band(history, plan.forecast, window=Window(first, hours), limit_w=limit_w)


def _settings(plan: Plan) -> JsonObject:
    return {"risk": plan.forecast.risk, "zone": plan.forecast.zone.key, "history_days": plan.cycle.history_days}
