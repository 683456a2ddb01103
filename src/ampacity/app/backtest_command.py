"""`ampacity backtest FOLDER`: forecast the last days of a folder as they would have been forecast then."""

import json
import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ampacity.app.backtest_run import Figures, run_backtest, write_forecasts
from ampacity.errors import Unsuitable
from ampacity.forecasting import ForecastSettings
from ampacity.forecasting.backtest import BacktestPlan
from ampacity.timegrid import QUARTERS_PER_HOUR


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
    whole: Annotated[bool, typer.Option("--whole", help="Elements as a whole only, not their phases.")] = False,
    perfect_weather: Annotated[bool, typer.Option("--perfect-weather", help="Use the weather that came.")] = False,
    weather_hours: Annotated[
        float | None, typer.Option(help="Withhold weather further ahead than so many hours; 0: all of it.", min=0)
    ] = None,
    against: Annotated[Path | None, typer.Option(help="A folder of another's forecasts, ELEMENT.csv.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the people whose load it is.")] = "Europe/Amsterdam",
    country: Annotated[str, typer.Option(help="Whose public holidays count; empty: none.")] = "NL",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    forecasts: Annotated[Path | None, typer.Option(help="Write every forecast here, as CSV.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page of plots here, as HTML.")] = None,
    explained: Annotated[str | None, typer.Option("--explain", help="Say what drives this element's load.")] = None,
) -> None:
    """Forecast the last days of a folder from what was known then, and score it."""
    settings = ForecastSettings(
        zone=ZoneInfo(zone), country=country or None, risk=risk, day_start_quarter=origin_hour * QUARTERS_PER_HOUR
    )
    plan = BacktestPlan(days=days, every=every_quarters(every), delay=-(-delay // 15))
    run = run_backtest(
        folder,
        settings,
        plan,
        perfect_weather=perfect_weather,
        phases=not whole,
        weather_hours=weather_hours,
        against=against,
    )
    if json_file:
        json_file.write_text(json.dumps(run.figures, indent=1) + "\n", encoding="utf-8")
    if forecasts:
        write_forecasts(run, forecasts)
    typer.echo(summary(run.figures))
    plots = []
    if explained:
        from ampacity.app.backtest_explain import explanation_of, explanation_text  # noqa: PLC0415  # statsmodels: 2 s
        from ampacity.app.backtest_report import shares_plot  # noqa: PLC0415

        explanation = explanation_of(run, explained)
        typer.echo(explanation_text(explanation, explained))
        plots.append(shares_plot(explanation.group_share, explained))
    if report:
        from ampacity.app.backtest_report import report_html  # noqa: PLC0415  # plotly: nearly half a second

        report.write_text(report_html(run, summary(run.figures), plots), encoding="utf-8")


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
