"""The backtest as a page of plots: one file, nothing fetched from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.io import to_html

from ampacity.app.backtest_run import BacktestRun
from ampacity.forecasting.backtest_result import said_of
from ampacity.forecasting.scores import Said
from ampacity.timegrid import QUARTER_S, QUARTERS_PER_DAY

SHOWN_ELEMENTS = 12
SHOWN_DAYS = 14
WORST_DAYS = 5
INK, BAND, CAME = "#1f4e79", "rgba(31, 78, 121, 0.2)", "#c0392b"


def report_html(run: BacktestRun, summary: str, extra: Sequence[go.Figure] = ()) -> str:
    """A self-contained page: bands against what came, errors by hour and lead, calibration, worst days."""
    shown = [i for i, row in enumerate(run.collected.rows) if row.phase == "sum"]
    parts = []
    for i in shown[:SHOWN_ELEMENTS]:
        parts.append(f"<h2>{escape(run.collected.rows[i].element_id)}</h2>")
        for figure in element_plots(run, i):
            first = not any("plotly" in part for part in parts)
            parts.append(to_html(figure, full_html=False, include_plotlyjs=first, config={"displaylogo": False}))
    parts += [to_html(figure, full_html=False, include_plotlyjs=False) for figure in extra]
    left = len(shown) - SHOWN_ELEMENTS
    if left > 0:
        parts.append(f"<p>{left} more elements are in the JSON.</p>")
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backtest</title>'
    style = "<style>body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}</style></head><body>"
    return f"{head}{style}<h1>Backtest</h1><pre>{escape(summary)}</pre>{''.join(parts)}</body></html>\n"


def element_plots(run: BacktestRun, i: int) -> Iterator[go.Figure]:
    """The plots of one row."""
    said = said_of(run.collected, run.measured, i)
    step = run.collected.rows[i].step
    quarter = run.collected.first + step * np.arange(said.came_w.shape[1])
    start = pd.to_datetime(quarter * QUARTER_S, unit="s", utc=True)
    risk = run.settings.risk
    last = slice(-SHOWN_DAYS * QUARTERS_PER_DAY // step, None)
    yield _band_plot(said, start, last, risk, f"The last {SHOWN_DAYS} days")
    yield _bars(_by_hour(said, step), "hour of the day (UTC)", "mean absolute error by hour and lead [kW]")
    yield _calibration_plot(said)
    yield _worst_days_plot(said, start, risk, step)


def _band_plot(said: Said, start: pd.DatetimeIndex, at: slice, risk: float, title: str) -> go.Figure:
    figure = go.Figure()
    low, middle, high = (said.at(level)[0, at] / 1000 for level in (risk, 0.5, 1 - risk))
    x = start[at]
    figure.add_scatter(x=x, y=low, line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=high, line={"width": 0}, fill="tonexty", fillcolor=BAND, name=f"{risk:g} to {1 - risk:g}")
    figure.add_scatter(x=x, y=middle, line={"color": INK, "width": 1}, name="median")
    figure.add_scatter(x=x, y=said.came_w[0, at] / 1000, line={"color": CAME, "width": 1}, name="came")
    return figure.update_layout(title=title, yaxis_title="load [kW]", height=420, template="plotly_white")


def _by_hour(said: Said, step: int) -> np.ndarray:
    error = np.abs(said.at(0.5) - said.came_w)[0] / 1000
    hour = np.arange(error.size) * step % QUARTERS_PER_DAY // 4
    return np.array([np.nanmean(error[hour == h]) for h in range(24)])


def _bars(values: np.ndarray, x_title: str, title: str) -> go.Figure:
    figure = go.Figure(go.Bar(x=np.arange(len(values)), y=values, marker_color=INK))
    return figure.update_layout(title=title, xaxis_title=x_title, height=300, template="plotly_white")


def _calibration_plot(said: Said) -> go.Figure:
    known = np.isfinite(said.came_w)
    share = [float(np.mean((said.came_w <= said.at(level))[known])) for level in said.levels]
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], line={"color": "#999", "dash": "dot"}, name="exact")
    figure.add_scatter(x=said.levels, y=share, mode="lines+markers", line={"color": INK}, name="came at or below")
    return figure.update_layout(
        title="Calibration", xaxis_title="quantile", yaxis_title="share at or below it", height=380,
        template="plotly_white",
    )  # fmt: skip


def shares_plot(shares: dict[str, float], element_id: str) -> go.Figure:
    """What drives the load of an element: the share of each group of features in its fitted variation."""
    names = sorted(shares, key=lambda name: shares[name])
    figure = go.Figure(go.Bar(x=[100 * shares[name] for name in names], y=names, orientation="h", marker_color=INK))
    title = f"What drives {element_id}: share in the fitted variation [%]"
    return figure.update_layout(title=title, height=320, template="plotly_white")


def _worst_days_plot(said: Said, start: pd.DatetimeIndex, risk: float, step: int) -> go.Figure:
    """The days on which the load rose furthest above the upper quantile."""
    count = QUARTERS_PER_DAY // step
    above = np.nan_to_num((said.came_w - said.at(1 - risk))[0].reshape(-1, count), nan=-np.inf).max(axis=1) / 1000
    worst = np.argsort(-above)[:WORST_DAYS]
    names = [f"{start[d * count]:%Y-%m-%d}" for d in worst]
    figure = go.Figure(go.Bar(x=names, y=above[worst], marker_color=CAME))
    title = "Worst days: highest load over the upper quantile [kW]"
    return figure.update_layout(title=title, height=300, template="plotly_white")
