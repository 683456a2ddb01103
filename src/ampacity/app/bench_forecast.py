"""`ampacity bench forecast`: what a weekly refit and a forecast of a fleet take, beside statsmodels in a loop."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import typer

from ampacity.app.progress import bar
from ampacity.forecasting import Designs, ForecastModel, ForecastSettings, LoadHistory, Weather, fit, predict, update
from ampacity.forecasting.model import CHUNK
from ampacity.forecasting.panel import Shared
from ampacity.forecasting.preparation import make_panel
from ampacity.forecasting.ridge import fit_ridge, whiten, whiten_series
from ampacity.timegrid import QUARTERS_PER_DAY, Window

Done = TypeVar("Done")
FIRST_DAY = 20_000
BLOCK = 1_000  # elements held at once
AHEAD_DAYS = 3
SAMPLE = 8  # series that statsmodels fits one by one


class ForecastBench(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took; seconds of the wall clock, and processor milliseconds per series."""

    elements: int
    series: int
    days: int
    workers: int
    first_fit_s: float  # of one block, margins learnt from rolling refits
    first_fit_series: int
    refit_s: float  # of all series: all experts, as once a week
    refit_cpu_ms_per_series: float
    learn_s: float  # of one block: a day's errors, as once a day
    forecast_s: float  # of all series: 48 h, from the newest measurements
    forecast_cpu_ms_per_series: float
    cpu_ms_per_daily_forecast: float  # forecast, a day's learning and a seventh of a refit, per series
    regression_ms_per_series: float  # one batched least squares on the shared columns
    statsmodels_ms_per_series: float  # the same least squares of the same series, one by one
    times_statsmodels: float
    largest_difference: float  # between the two, relative to the range of the load


def bench_forecast(
    elements: Annotated[int, typer.Option(min=1, help="How many network elements of three phases.")] = 10_000,
    days: Annotated[int, typer.Option(min=28, help="Days of history.")] = 56,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Refit and forecast made-up loads with one weather cell, in blocks of 1,000 elements."""
    result = measure(elements, days, workers)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    for name, value in msgspec.structs.asdict(result).items():
        typer.echo(f"{name:28} {value:>14,.4g}" if isinstance(value, float) else f"{name:28} {value:>14,}")


def measure(elements: int, days: int, workers: int) -> ForecastBench:
    """Time every block; the loads themselves are made up outside the measured time."""
    weather, sun = _weather(days)
    run = _Run(weather=weather, designs=Designs(weather, ForecastSettings()), days=days, workers=workers)
    model: ForecastModel | None = None
    ratio: dict[str, float] = {}
    with bar() as progress:
        task = progress.add_task("forecast", total=elements)
        for load_w in _blocks(elements, sun):
            if model is None:
                model = run.first(load_w)
                ratio = _against_statsmodels(load_w, run.designs, days)
            run.block(load_w, model)
            progress.advance(task, len(load_w))
    series, watch = 3 * elements, run.watch
    first = 3 * min(elements, BLOCK)
    cpu = {name: 1e3 * watch.cpu_s[name] / (first if name in ("first", "learn") else series) for name in watch.cpu_s}
    return ForecastBench(
        elements=elements,
        series=series,
        days=days,
        workers=workers,
        first_fit_s=watch.wall_s["first"],
        first_fit_series=first,
        refit_s=watch.wall_s["refit"],
        refit_cpu_ms_per_series=cpu["refit"],
        learn_s=watch.wall_s["learn"],
        forecast_s=watch.wall_s["forecast"],
        forecast_cpu_ms_per_series=cpu["forecast"],
        cpu_ms_per_daily_forecast=cpu["forecast"] + cpu["learn"] + cpu["refit"] / 7,
        **ratio,
    )


class _Run:
    """Blocks worked on one after another, timed."""

    def __init__(self, *, weather: Weather, designs: Designs, days: int, workers: int) -> None:
        self.weather, self.designs, self.days, self.workers = weather, designs, days, workers
        self.watch = _Watch()

    def first(self, load_w: np.ndarray) -> ForecastModel:
        """Fit without a model before, and learn from one day."""
        history, newer = _part(load_w, 0, self.days), _part(load_w, self.days - 15, self.days + 1)
        model = self.watch.time("first", lambda: self._fit(history, None))
        self.watch.time("learn", lambda: update(model, newer, self.weather, designs=self.designs, workers=self.workers))
        return model

    def block(self, load_w: np.ndarray, before: ForecastModel) -> None:
        """Refit as every week and forecast; any block's model before serves: only its state is carried on."""
        history, recent = _part(load_w, 0, self.days), _part(load_w, self.days - 15, self.days)
        model = self.watch.time("refit", lambda: self._fit(history, before))
        window = Window((FIRST_DAY + self.days) * QUARTERS_PER_DAY, 2 * QUARTERS_PER_DAY)
        self.watch.time(
            "forecast",
            lambda: predict(model, recent, self.weather, window=window, designs=self.designs, workers=self.workers),
        )

    def _fit(self, history: LoadHistory, before: ForecastModel | None) -> ForecastModel:
        cell = np.zeros(len(history.load_w), np.int64)
        return fit(
            history, self.weather, cell, self.designs.settings,
            designs=self.designs, previous=before, workers=self.workers,
        )  # fmt: skip


class _Watch:
    """Seconds by name, of the wall clock and of the processor."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Done]) -> Done:
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.wall_s[name] = self.wall_s.get(name, 0.0) + time.perf_counter() - wall
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.process_time() - cpu
        return done


def _against_statsmodels(load_w: np.ndarray, designs: Designs, days: int) -> dict[str, float]:
    """One least squares on the shared columns: all series of the block at once, and a sample one by one."""
    import statsmodels.api as sm  # noqa: PLC0415  # 2 s, for this comparison alone

    shared = designs.shared(0, FIRST_DAY, FIRST_DAY + days)
    columns = _independent(shared)
    y = load_w[:, :, : days * QUARTERS_PER_DAY].reshape(-1, days, QUARTERS_PER_DAY)
    shared = replace(shared, columns=columns, _memo={})
    panels = [make_panel(part, shared) for part in np.array_split(y / y.std(), max(1, len(y) // CHUNK))]
    began = time.process_time()
    fitted = [fit_ridge(panel, FIRST_DAY, FIRST_DAY + days, penalty=0.0, passes=0) for panel in panels]
    batched_ms = 1e3 * (time.process_time() - began) / len(y)
    panel, ours = panels[0], fitted[0]
    white = whiten(columns).astype(float)
    weights = shared.weights()[-len(white) :]
    sample = range(min(SAMPLE, len(panel.y)))
    began = time.process_time()
    fits = [
        sm.WLS(whiten_series(panel.flat()[s : s + 1])[0].astype(float), white, weights=weights).fit() for s in sample
    ]
    loop_ms = 1e3 * (time.process_time() - began) / len(sample)
    apart = [np.abs(white @ ours.coefficients[s] - fits[s].fittedvalues).max() / np.ptp(panel.y[s]) for s in sample]
    return {
        "regression_ms_per_series": batched_ms,
        "statsmodels_ms_per_series": loop_ms,
        "times_statsmodels": loop_ms / batched_ms,
        "largest_difference": float(max(apart)),
    }


def _independent(shared: Shared) -> np.ndarray:
    """The columns that the made-up weather can tell apart."""
    _, r = np.linalg.qr(whiten(shared.columns).astype(float))
    return shared.columns[:, np.abs(np.diag(r)) > 1.0]


def _weather(days: int) -> tuple[Weather, np.ndarray]:
    """One cell, and the sun over it in parts of its usual strength, (T,)."""
    rng = np.random.default_rng(1)
    count = (days + AHEAD_DAYS) * QUARTERS_PER_DAY
    at = np.arange(count)
    day = 2 * np.pi * at / QUARTERS_PER_DAY
    sun = np.maximum(0, -np.cos(day)) * np.repeat(rng.uniform(0.2, 1, count // QUARTERS_PER_DAY), QUARTERS_PER_DAY)
    slow = np.repeat(rng.normal(0, 4, count // QUARTERS_PER_DAY), QUARTERS_PER_DAY)
    wind = np.abs(rng.normal(6, 3, count // 24 + 1)).repeat(24)[:count]
    weather = Weather(
        window=Window(FIRST_DAY * QUARTERS_PER_DAY, count),
        latitude=np.array([52.0]),
        longitude=np.array([5.0]),
        temperature_c=(10 + slow - 4 * np.cos(day))[None],
        global_radiation_w_m2=800 * sun[None],
        wind_speed_m_s=wind[None],
        perfect=True,
    )
    return weather, sun


def _blocks(elements: int, sun: np.ndarray) -> Iterator[np.ndarray]:
    """Loads of 1,000 elements at a time, float32 (E, 3, T) [W]."""
    rng = np.random.default_rng(2)
    day = 2 * np.pi * np.arange(len(sun)) / QUARTERS_PER_DAY
    for first in range(0, elements, BLOCK):
        count = min(BLOCK, elements - first)
        size, solar, late = (
            rng.uniform(low, high, (count, 3, 1)) for low, high in ((5e3, 5e4), (0.0, 1.0), (0.0, 2.0))
        )
        shape = 2 - np.cos(day - late).astype(np.float32) - solar.astype(np.float32) * sun.astype(np.float32)
        noise = rng.standard_normal((count, 3, len(sun)), np.float32)
        yield (size.astype(np.float32) * (shape + np.float32(0.1) * noise)).astype(np.float32)


def _part(load_w: np.ndarray, first_day: int, end_day: int) -> LoadHistory:
    at = slice(first_day * QUARTERS_PER_DAY, end_day * QUARTERS_PER_DAY)
    window = Window((FIRST_DAY + first_day) * QUARTERS_PER_DAY, (end_day - first_day) * QUARTERS_PER_DAY)
    return LoadHistory(window=window, load_w=load_w[:, :, at])
