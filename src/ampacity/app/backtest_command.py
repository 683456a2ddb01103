"""`ampacity backtest FOLDER`: forecast the last days of a folder as they would have been forecast then."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import typer

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
    against: Path | None = None,
) -> BacktestRun:
    """Read a folder, forecast its last days, score.

    Raises:
        NotFound, Unsuitable: the folder or the forecasts to compare with cannot be read.
    """
    with file_progress() as progress:
        given = backtest_input(read_folder(folder, progress=progress), perfect_weather=perfect_weather)
    anchors = read_anchor(against, plan, settings, given) if against else {}
    collected = _collect(given, settings, plan)
    at = [row.index for row in given.rows]
    flat_w = given.history.load_w.reshape(-1, given.history.window.count)[at]
    measured = Measured(load_w=flat_w, begin=collected.first - given.history.window.first)
    elements = element_figures(collected, measured, anchors, settings.risk)
    figures: Figures = {
        "settings": _settings(settings, plan, given),
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
            table["q" + f"{level:.6f}"[2:].rstrip("0").ljust(2, "0")] = run.collected.daily[q, i].round(1)
        parts.append(table)
    pd.concat(parts).to_csv(file, index=False)


def every_quarters(text: str) -> int:
    """`15min`, `1h`, `24h` as quarters.

    >>> every_quarters("15min"), every_quarters("2h")
    (1, 8)
    """
    found = re.fullmatch(r"(\d+)\s*(min|h)", text)
    minutes = int(found[1]) * (60 if found[2] == "h" else 1) if found else 0
    if minutes <= 0 or minutes % 15:
        raise Unsuitable(f"--every {text}: give a multiple of 15min that divides a day, such as 15min or 1h")
    return minutes // 15


def backtest_command(
    folder: Annotated[Path, typer.Argument(help="A folder of files as for `ampacity import`.")],
    *,
    days: Annotated[int, typer.Option(help="How many of the last days to forecast.", min=1)] = 60,
    origin_hour: Annotated[int, typer.Option(help="UTC hour of the daily origin.", min=0, max=23)] = 0,
    every: Annotated[str, typer.Option(help="Time from origin to origin, e.g. 15min.")] = "24h",
    risk: Annotated[float, typer.Option(help="Share of quarter hours above the upper quantile.")] = 0.01,
    delay: Annotated[int, typer.Option(help="Minutes until a measurement is known.", min=0)] = 0,
    perfect_weather: Annotated[bool, typer.Option("--perfect-weather", help="Use the weather that came.")] = False,
    against: Annotated[Path | None, typer.Option(help="A folder of another's forecasts, ELEMENT.csv.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the people whose load it is.")] = "Europe/Amsterdam",
    country: Annotated[str, typer.Option(help="Whose public holidays count; empty: none.")] = "NL",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    forecasts: Annotated[Path | None, typer.Option(help="Write every forecast here, as CSV.")] = None,
) -> None:
    """Forecast the last days of a folder from what was known then, and score it."""
    settings = ForecastSettings(
        zone=ZoneInfo(zone), country=country or None, risk=risk, day_start_quarter=origin_hour * QUARTERS_PER_HOUR
    )
    plan = BacktestPlan(days=days, every=every_quarters(every), delay=-(-delay // 15))
    run = run_backtest(folder, settings, plan, perfect_weather=perfect_weather, against=against)
    if json_file:
        json_file.write_text(json.dumps(run.figures, indent=1) + "\n", encoding="utf-8")
    if forecasts:
        write_forecasts(run, forecasts)
    typer.echo(summary(run.figures))


def summary(figures: Figures) -> str:
    """The figures that matter, a line for each element as a whole."""
    overall = figures["overall"]
    elements = figures["elements"]
    assert isinstance(overall, dict)
    assert isinstance(elements, list)
    lines = [f"{'element':24}{'rMAE %':>8}{'above %':>9}{'days %':>8}{'MAE ratio':>11}{'margin ratio':>14}"]
    for e in (e for e in elements if e["phase"] == "sum"):
        above = e["exceedance"][max(e["exceedance"], key=float)]
        compared = e.get("against", {})
        ratios = "".join(
            f"{compared[n]:>{w}.3f}" for n, w in (("mae_ratio", 11), ("margin_ratio", 14)) if n in compared
        )
        days = 100 * e["days_with_exceedance"]
        lines.append(f"{e['element_id'][:23]:24}{100 * e['rmae']:>8.2f}{100 * above:>9.2f}{days:>8.1f}{ratios}")
    exceeded = f"exceeded {100 * overall['exceedance']:.2f} %, worst {100 * overall['worst_exceedance']:.2f} %"
    return "\n".join([*lines, f"mean rMAE {100 * overall['rmae']:.2f} %, {exceeded}"])
