"""A backtest of a folder from reading to figures."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ampacity.app.backtest_inputs import BacktestInput, backtest_input, read_anchor
from ampacity.app.progress import bar, file_progress
from ampacity.errors import Unsuitable
from ampacity.forecasting import ForecastSettings
from ampacity.forecasting.backtest import BacktestPlan, backtest, backtest_days
from ampacity.forecasting.backtest_result import (
    Anchor,
    Collected,
    Measured,
    element_figures,
    lead_figures,
    overall_figures,
)
from ampacity.intake import read_folder
from ampacity.timegrid import QUARTER_S, QUARTERS_PER_DAY, QUARTERS_PER_HOUR

Figures = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class BacktestRun:
    """A finished backtest: its forecasts, what came, and the figures."""

    given: BacktestInput
    plan: BacktestPlan
    settings: ForecastSettings
    collected: Collected
    measured: Measured
    anchors: dict[int, Anchor]
    figures: Figures


def run_backtest(
    folder: Path,
    settings: ForecastSettings,
    plan: BacktestPlan,
    *,
    perfect_weather: bool = False,
    phases: bool = True,
    weather_hours: float | None = None,
    against: Path | None = None,
) -> BacktestRun:
    """Read a folder, forecast its last days, score.

    Raises:
        NotFound, Unsuitable: the folder or the forecasts to compare with cannot be read.
    """
    with file_progress() as progress:
        read = read_folder(folder, progress=progress)
    given = backtest_input(read, perfect_weather=perfect_weather, phases=phases, weather_hours=weather_hours)
    anchors = read_anchor(against, plan, settings, given) if against else {}
    collected = _collect(given, settings, plan)
    at = [row.index for row in given.rows]
    flat_w = given.history.load_w.reshape(-1, given.history.window.count)[at]
    measured = Measured(load_w=flat_w, begin=collected.first - given.history.window.first)
    elements = element_figures(collected, measured, anchors, settings.risk)
    figures: Figures = {
        "settings": {**_settings(settings, plan, given), "weather_hours": weather_hours},
        "elements": elements,
        "overall": overall_figures(elements, settings.risk),
    }
    if plan.every < QUARTERS_PER_DAY:
        figures["by_lead"] = lead_figures(collected, measured, settings.risk)
    return BacktestRun(
        given=given,
        plan=plan,
        settings=settings,
        collected=collected,
        measured=measured,
        anchors=anchors,
        figures=figures,
    )


def _collect(given: BacktestInput, settings: ForecastSettings, plan: BacktestPlan) -> Collected:
    days = backtest_days(given.history, plan, settings)
    if not len(days):
        raise Unsuitable("the folder holds less than two whole days of measurements: nothing to test")
    first = days.start * QUARTERS_PER_DAY + settings.day_start_quarter
    collected = Collected(rows=given.rows, first=first, days=len(days))
    made = backtest(
        given.history,
        given.weather_at,
        given.cell,
        settings,
        plan,
        limit_w=given.limit_w,
        stopwatch=time.process_time,
    )
    with bar() as progress:
        task = progress.add_task("forecast", total=len(days) * QUARTERS_PER_DAY // plan.every)
        for origin in made:
            collected.add(origin)
            progress.advance(task)
    return collected


def _settings(settings: ForecastSettings, plan: BacktestPlan, given: BacktestInput) -> Figures:
    return {
        "risk": settings.risk,
        "zone": settings.zone.key,
        "country": settings.country,
        "experts": list(settings.experts),
        "days": plan.days,
        "origin_hour": settings.day_start_quarter / QUARTERS_PER_HOUR,
        "every_min": 15 * plan.every,
        "horizon_h": plan.horizon / QUARTERS_PER_HOUR,
        "refit_days": plan.refit_days,
        "delay_min": 15 * plan.delay,
        "perfect_weather": given.perfect_weather,
    }


def write_forecasts(run: BacktestRun, file: Path) -> None:
    """Every daily forecast that was scored, a row for each quarter: `element_id,phase,origin,start,q05,…` in W."""
    count = run.collected.days * QUARTERS_PER_DAY
    quarter = run.collected.first + np.arange(count)
    start = pd.to_datetime(quarter * QUARTER_S, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
    origin = np.repeat(start[::QUARTERS_PER_DAY], QUARTERS_PER_DAY)
    parts = []
    for i, row in enumerate(run.collected.rows):
        table = pd.DataFrame({"element_id": row.element_id, "phase": row.phase, "origin": origin, "start": start})
        for q, level in enumerate(run.collected.levels):
            table["q" + f"{level:.6f}"[2:].rstrip("0").ljust(2, "0")] = run.collected.daily[q, i].astype(float).round(1)
        parts.append(table)
    pd.concat(parts).to_csv(file, index=False)
