"""A folder as a backtest needs it: phases and their sum, the weather as it was known, another's forecasts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ampacity.errors import Unsuitable
from ampacity.forecasting import ForecastSettings, LoadHistory, Weather
from ampacity.forecasting.backtest import BacktestPlan, backtest_days
from ampacity.forecasting.backtest_result import Anchor, Row
from ampacity.forecasting.types import WEATHER_VARIABLES, Floats, Floats32, Ints
from ampacity.forecasting.weather_rows import archive
from ampacity.intake import InputFolder
from ampacity.operations.forecast_plan import nearest_cell
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, quarter_at

AHEAD = 4 * QUARTERS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class BacktestInput:
    """Twice the elements of the grid: first as they are, then their sums over the phases on phase 1."""

    history: LoadHistory
    cell: Ints
    limit_w: Floats
    rows: tuple[Row, ...]
    weather_at: Callable[[int], Weather]
    perfect_weather: bool


def backtest_input(
    folder: InputFolder, *, perfect_weather: bool, phases: bool = True, weather_hours: float | None = None
) -> BacktestInput:
    """Phases and sums of all elements, or their sums alone, with the weather as it was known at each quarter.

    Args:
        weather_hours: weather further ahead than that is withheld [h]; None: none is.
    """
    measured = folder.measurements
    summed = np.full_like(measured.load_w, np.nan)
    has = folder.network.has_phase[:, :, None]
    summed[:, 0] = np.where(has, measured.load_w, 0).sum(axis=1)
    by_phase = measured.load_w if phases else np.full_like(measured.load_w, np.nan)
    load_w = np.concatenate([by_phase, summed])
    limit_w = folder.network.limit_w(1.0) * phases
    sum_limit_w = np.zeros_like(limit_w)
    sum_limit_w[:, 0] = folder.network.limit_w(1.0).sum(axis=1)
    window = Window(measured.window.first, measured.window.count + AHEAD)
    issues = archive(folder.weather)
    always = perfect_weather or not (issues.available_s > np.iinfo(np.int64).min).any()
    came = issues.observed(window)
    return BacktestInput(
        history=LoadHistory(window=measured.window, load_w=load_w.astype(np.float32)),
        cell=np.tile(nearest_cell(folder.network, came), 2),
        limit_w=np.concatenate([limit_w, sum_limit_w]),
        rows=tuple(row for row in _rows(folder, summed[:, 0]) if phases or row.phase == "sum"),
        weather_at=withheld((lambda _: came) if always else (lambda q: issues.known_at(q, window)), weather_hours),
        perfect_weather=always,
    )


def withheld(weather_at: Callable[[int], Weather], hours: float | None) -> Callable[[int], Weather]:
    """The same weather, unknown from so many hours after the quarter at which it is asked for."""
    if hours is None:
        return weather_at
    newest: dict[int, Weather] = {}

    def at(quarter: int) -> Weather:
        if quarter not in newest:
            told = weather_at(quarter)
            known = told.window.quarters() < quarter + round(hours * QUARTERS_PER_HOUR)
            columns: dict[str, Any] = {n: np.where(known, getattr(told, n), np.nan) for n in WEATHER_VARIABLES}
            newest.clear()
            newest[quarter] = replace(told, **columns)
        return newest[quarter]

    return at


def read_anchor(path: Path, plan: BacktestPlan, settings: ForecastSettings, given: BacktestInput) -> dict[int, Anchor]:
    """Another's forecasts of whole elements from a folder of ELEMENT.csv with `start` and quantiles such as q50."""
    if not path.is_dir():
        raise Unsuitable(f"{path} is no folder of forecasts to compare with")
    days = backtest_days(given.history, plan, settings)
    first = days.start * QUARTERS_PER_DAY + settings.day_start_quarter
    found = {}
    for i, row in enumerate(given.rows):
        file = path / f"{row.element_id}.csv"
        if row.phase == "sum" and file.is_file():
            found[i] = _anchor(file, Window(first, len(days) * QUARTERS_PER_DAY))
    if not found:
        raise Unsuitable(f"{path} holds no forecast of any element: files are named ELEMENT.csv")
    return found


def _anchor(file: Path, window: Window) -> Anchor:
    table = pd.read_csv(file, parse_dates=["start"])
    start = np.array([quarter_at(moment.to_pydatetime()) for moment in table["start"]], np.int64)
    step = int(np.median(np.diff(start))) if len(start) > 1 else 1
    quantiles = {}
    for name in table.columns[1:]:
        values = np.full(window.count, np.nan)
        for k in range(step):
            at = start + k - window.first
            inside = (at >= 0) & (at < window.count)
            values[at[inside]] = table[name].to_numpy(float)[inside]
        quantiles[_level(name)] = values
    return Anchor(quantiles=quantiles)


def _level(name: str) -> float:
    """q05 is .05, q999 is .999."""
    return float("0." + name.removeprefix("q"))


def _rows(folder: InputFolder, summed_w: Floats32) -> tuple[Row, ...]:
    elements, has = folder.network.elements, folder.network.has_phase
    phases = [
        Row(index=3 * e + p, element_id=str(element.element_id), phase=str(p + 1))
        for e, element in enumerate(elements)
        for p in range(3)
        if has[e, p] and np.isfinite(folder.measurements.load_w[e, p]).any()
    ]
    sums = [
        Row(index=3 * (len(elements) + e), element_id=str(element.element_id), phase="sum")
        for e, element in enumerate(elements)
        if np.isfinite(summed_w[e]).any()
    ]
    steps = [measured_step(summed_w[e]) for e in range(len(elements))]
    return tuple(replace(row, step=steps[row.index // 3 % len(elements)]) for row in (*phases, *sums))


def measured_step(load_w: Floats32) -> int:
    """Quarters of the steps in which a series was measured: 4 where all quarters of each hour are alike."""
    for step in (4, 2):
        whole = load_w[: len(load_w) // step * step].reshape(-1, step)
        whole = whole[np.isfinite(whole).all(axis=1)]
        alike = np.abs(whole - whole[:, :1]).max(axis=1, initial=0) <= 1e-6 * np.abs(whole).max(axis=1, initial=0)
        if len(whole) and alike.mean() > 0.98:
            return step
    return 1
