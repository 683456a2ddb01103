"""Forecast a block from its model and the newest measurements."""

from dataclasses import dataclass, replace

import numpy as np

from ampacity.forecasting.bands import Learnt, View, quantiles
from ampacity.forecasting.calibration import DELAY_BANDS
from ampacity.forecasting.clock import realigned
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.expert import Targets
from ampacity.forecasting.experts import EXPERTS, shares
from ampacity.forecasting.faults import without_faults
from ampacity.forecasting.model import RECENT_DAYS, ForecastModel, chunks_of, fitted_of
from ampacity.forecasting.panel import Panel, whole_days
from ampacity.forecasting.preparation import at_newest_level, make_panel
from ampacity.forecasting.prior import prior_band
from ampacity.forecasting.tracking import mix, new_track, track_of
from ampacity.forecasting.types import (
    Bools,
    Floats32,
    Ints,
    LoadForecast,
    LoadHistory,
    Weather,
)
from ampacity.forecasting.weather_free import (
    fitted_on,
    lacks_weather,
    sources,
    stood_in,
    with_weather_known,
)
from ampacity.forecasting.workers import on_threads
from ampacity.timegrid import QUARTERS_PER_DAY, Window

TOGETHER = 256  # series whose quantiles are worked out at once


@dataclass(frozen=True, kw_only=True)
class DailyForecast:
    """What the experts say of a day and those after it, made once at the day's start: the base of all its forecasts."""

    day: int
    load: Floats32  # (S, 1 + days, 96) from the day before on, in units of each series' scale
    lacks: Bools  # (S, days * 96) weather that the model was fitted on is missing
    weather_free: Floats32 | None = None  # as `load`, of the weather-free model; where there is one and it is needed

    def covers(self, day: int, end: int) -> bool:
        """Whether it is of that day, and reaches to before `end`."""
        return self.day == day and self.day + self.load.shape[1] - 1 >= end


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What predictions need of a model beside the base of the day."""

    model: ForecastModel  # without its experts and its track
    learnt: Learnt
    weather_free: Learnt | None = None  # of the weather-free model; where it is needed

    @classmethod
    def of(cls, model: ForecastModel, daily: DailyForecast) -> "Outline":
        """Of a model for predictions from a base."""
        beside = model.weather_free if daily.weather_free is not None else None
        return cls(
            model=_bare(model),
            learnt=_learnt(model, model.settings.levels, 1),
            weather_free=None if beside is None else _learnt(beside, model.settings.levels, 1),
        )

    @property
    def nbytes(self) -> int:
        """How much memory it takes, about."""
        arrays = [*vars(self.learnt).values(), *(() if self.weather_free is None else vars(self.weather_free).values())]
        arrays += [self.model.prior.median_w, self.model.prior.width_w, self.model.element, self.model.phase]
        return int(sum(a.nbytes for a in arrays))


def _bare(model: ForecastModel) -> ForecastModel:
    beside = None if model.weather_free is None else _bare(model.weather_free)
    return replace(model, experts={}, track=new_track(0, 0), weather_free=beside)


def _learnt(model: ForecastModel, levels: tuple[float, ...], workers: int) -> Learnt:
    """Of all series at some levels, worked out in the chunks in which forecasts are made."""
    chunks = list(chunks_of(model))
    if not chunks:
        return Learnt.of(model.track, levels)
    back = np.argsort(np.concatenate(chunks))
    parts = on_threads(lambda rows: Learnt.of(track_of(model.track, rows), levels), chunks, workers)
    axis = {"factor": 1}
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=axis.get(name, 0)) for name in vars(parts[0])
    }
    return Learnt(**joined).only(back)


def predict(
    model: ForecastModel,
    recent: LoadHistory,
    weather: Weather,
    *,
    window: Window,
    designs: Designs | None = None,
    daily: DailyForecast | None = None,
    outline: Outline | None = None,
    workers: int = 1,
) -> LoadForecast:
    """Quantiles of the load over a window that starts at the origin.

    A daily base is made from whole days; the newest errors of today correct the next hours.

    Args:
        model: of the same elements, from `fit`.
        recent: the last 30 days or so up to the origin; NaN where nothing came yet.
        weather: covers the recent days and the window, as known at the origin.
        window: from the origin on, at most seven days.
        daily: the base of that day, where it has been made already; made anew if it is of another day or too short.
        outline: the model's own, if it is at hand; then nothing of the track is asked for.
        workers: threads to use.
    """
    levels, settings = model.settings.levels, model.settings
    day, end = days_of_window(window, settings.day_start_quarter)
    if daily is None or not daily.covers(day, end):
        daily = forecast_days(model, recent, weather, window=window, designs=designs, workers=workers)
    out = np.full((len(levels), len(model.source) * 3, window.count), np.nan, np.float32)
    begin = window.first - day * QUARTERS_PER_DAY - settings.day_start_quarter
    lacks = daily.lacks[:, begin : begin + window.count]
    if len(model.element):
        learnt, beside_learnt = (None, None) if outline is None else (outline.learnt, outline.weather_free)
        found_w = _quantiles(model, levels, recent, window, day, daily.load, learnt, workers)
        if lacks.any():
            beside, free_w = model.weather_free, None
            if beside is not None and daily.weather_free is not None:
                free_w = _quantiles(beside, levels, recent, window, day, daily.weather_free, beside_learnt, workers)
            found_w = stood_in(model, lacks, found_w, free_w)
        series = model.element * 3 + model.phase
        if len(series) == out.shape[1] and (np.diff(series) == 1).all():
            out = found_w
        else:
            out[:, series] = found_w
    out[:, model.prior.series] = prior_band(model.prior, window, levels, settings)
    shaped = out.reshape(len(levels), -1, 3, window.count)
    source, weather_free = sources(model, lacks)
    return LoadForecast(
        window=window,
        levels=levels,
        load_w=shaped,
        source=source.astype(np.int8),
        weather_free=weather_free if weather_free.any() else None,
    )


def days_of_window(window: Window, day_start_quarter: int) -> tuple[int, int]:
    """The day of the origin, and the day after the window's last."""
    day = (window.first - day_start_quarter) // QUARTERS_PER_DAY
    end = -((day_start_quarter - window.end) // QUARTERS_PER_DAY)
    return day, max(end, day + 1)


def forecast_days(
    model: ForecastModel,
    recent: LoadHistory,
    weather: Weather,
    *,
    window: Window,
    designs: Designs | None = None,
    workers: int = 1,
) -> DailyForecast:
    """The daily base of all days that a window touches, from the whole days before its origin."""
    designs = designs or Designs(weather, model.settings)
    day, end = days_of_window(window, model.settings.day_start_quarter)
    first = max(whole_days(recent.window, model.settings.day_start_quarter)[0], day - RECENT_DAYS)
    first = min(first, day - 2)
    load = np.empty((len(model.element), end - day + 1, QUARTERS_PER_DAY), np.float32)
    lacks = np.zeros((len(model.element), (end - day) * QUARTERS_PER_DAY), bool)
    clean = realigned(without_faults(recent, workers), model.clock, model.settings.day_start_quarter)

    def forecast(rows: Ints) -> None:
        cell = int(model.cell[rows[0]])
        shared = designs.shared(cell, first, end)
        start = day * QUARTERS_PER_DAY + model.settings.day_start_quarter
        before = _aligned(clean, model.element[rows] * 3 + model.phase[rows], start, shared.design.window)
        panel = make_panel(at_newest_level(_by_day(before), day - first) / model.scale_w[rows, None, None], shared)
        load[rows] = _mixed(model, rows, with_weather_known(model, rows, panel), day)
        lacks[rows] = lacks_weather(model, rows, shared)[start - shared.design.window.first :]
        if weather.stale is not None and cell >= 0:
            lacks[rows] |= bool(weather.stale[cell] and fitted_on(model, rows).any())

    on_threads(forecast, chunks_of(model), workers)
    beside = None
    needed = slice(0, window.end - day * QUARTERS_PER_DAY - model.settings.day_start_quarter)
    if model.weather_free is not None and lacks[:, needed].any():
        beside = forecast_days(
            model.weather_free, recent, weather, window=window, designs=designs.weather_free, workers=workers
        ).load
    return DailyForecast(day=day, load=load, lacks=lacks, weather_free=beside)


def _quantiles(
    model: ForecastModel,
    levels: tuple[float, ...],
    recent: LoadHistory,
    window: Window,
    day: int,
    load: Floats32,
    learnt: Learnt | None,
    workers: int,
) -> Floats32:
    """Of all series of a model, (Q, S, T) [W]."""
    start = day * QUARTERS_PER_DAY + model.settings.day_start_quarter
    two_days = Window(start - QUARTERS_PER_DAY, 2 * QUARTERS_PER_DAY)
    found_w = np.empty((len(levels), len(model.element), window.count), np.float32)
    learnt = learnt or _learnt(model, levels, workers)

    def some(rows: slice) -> None:
        newest = _aligned(recent, model.element[rows] * 3 + model.phase[rows], window.first, two_days)
        here = learnt.only(rows)
        view = View(
            error_size=here.error_size.astype(np.float32),
            one_step_size=here.one_step_size.astype(np.float32),
            carry=here.carry,
            spread=here.spread.astype(np.float32),
            factor=here.factor,
            scale_w=model.scale_w[rows],
            daily=load[rows],
            y=_by_day(newest) / model.scale_w[rows, None, None],
            day_start=start,
        )
        found_w[:, rows] = quantiles(view, window, levels)

    count = len(model.element)
    on_threads(some, (slice(i, min(i + TOGETHER, count)) for i in range(0, count, TOGETHER)), workers)
    return found_w


def _by_day(load: Floats32) -> Floats32:
    found: Floats32 = load.reshape(len(load), load.shape[1] // QUARTERS_PER_DAY, QUARTERS_PER_DAY)
    return found


def _aligned(recent: LoadHistory, series: Ints, until: int, window: Window) -> Floats32:
    """Load of some series before a quarter, over a window (S, T), NaN elsewhere."""
    out = np.full((len(series), window.count), np.nan, np.float32)
    begin, end = max(window.first, recent.window.first), min(until, recent.window.end, window.end)
    if begin < end:
        flat = recent.load_w.reshape(len(recent.load_w) * 3, recent.window.count)
        part = flat[series, begin - recent.window.first : end - recent.window.first]
        out[:, begin - window.first : end - window.first] = part
    return out


def _mixed(model: ForecastModel, rows: Ints, panel: Panel, day: int) -> Floats32:
    """Mixed forecasts of yesterday, made then, and of today and the days after, made today: (S, 1 + days, 96)."""
    end = panel.first_day + panel.shared.days
    days = np.arange(day - 1, end)
    delay = np.minimum(np.maximum(days - day, 0), DELAY_BANDS - 1)
    targets = Targets(day=days, delay=delay)
    said = np.stack([EXPERTS[n].forecast(f, panel, targets) for n, f in fitted_of(model, rows).items()])
    track, asked = track_of(model.track, rows), shares(model.settings.experts)
    return np.concatenate([mix(track, said[:, :, delay == d], asked[d]) for d in range(DELAY_BANDS)], axis=1)
