"""What a model learns from the errors of its forecasts: at first from rolling refits, then every day."""

from dataclasses import replace

import numpy as np

from ampacity.forecasting.clock import realigned
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.expert import DELAYS, Targets
from ampacity.forecasting.experts import EXPERTS, shares
from ampacity.forecasting.faults import without_faults
from ampacity.forecasting.model import RECENT_DAYS, ForecastModel, chunks_of, fitted_of, gathered_track
from ampacity.forecasting.panel import Panel, Shared, whole_days
from ampacity.forecasting.preparation import days_of, make_panel
from ampacity.forecasting.tracking import Track, learn_day, track_of
from ampacity.forecasting.types import (
    Floats32,
    ForecastSettings,
    Ints,
    LoadHistory,
    Weather,
)
from ampacity.forecasting.weather_free import with_weather_known
from ampacity.forecasting.workers import on_threads


def calibration_refits(first: int, end: int, settings: ForecastSettings) -> list[int]:
    """Days of the rolling refits of a new model, and the end: weekly, each with at least ten days before it."""
    earliest = first + 10
    refits = [end - 7 * k for k in range(settings.calibration_weeks, 0, -1)]
    usable = [day for day in refits if day > earliest]
    if len(usable) < settings.calibration_weeks and earliest < end:
        usable = [earliest, *usable]
    return [*usable, end]


def learn_week(
    track: Track, panel: Panel, issued: Shared, days: tuple[int, int, int], settings: ForecastSettings
) -> Track:
    """Fit on the days before `begin`, forecast [begin, until) day by day, learn from the errors."""
    first, begin, until = days
    experts = [EXPERTS[name] for name in settings.experts]
    told = replace(panel, shared=issued)
    targets = Targets.all_delays(begin, until)
    forecasts = np.stack([e.forecast(e.fit(panel, first, begin), told, targets) for e in experts])
    return learn_days(track, panel, forecasts, begin, settings)


def learn_days(track: Track, panel: Panel, forecasts: Floats32, first_day: int, settings: ForecastSettings) -> Track:
    """Learn day by day from forecasts (I, S, 3 * days, 96) of the days from `first_day` on at every delay."""
    asked = shares(settings.experts)
    by_delay = forecasts.reshape(*forecasts.shape[:2], DELAYS, -1, forecasts.shape[3])
    for i in range(by_delay.shape[3]):
        at = first_day + i - panel.first_day
        y, known = panel.y[:, at], panel.known[:, at]
        of_day = by_delay[:, :, :, i].transpose(0, 2, 1, 3)
        track = learn_day(track, of_day, y, known, risk=settings.risk, shares=asked)
    return track


def update(
    model: ForecastModel,
    recent: LoadHistory,
    weather: Weather,
    *,
    designs: Designs | None = None,
    workers: int = 1,
) -> ForecastModel:
    """The model having learnt from the errors of the whole days since it last did; to be called once a day.

    Args:
        recent: reaches a month further back than the days to learn from.
        weather: as it was forecast for those days, so that the margins know how wrong the weather is.
    """
    return update_clean(model, without_faults(recent, workers), designs or Designs(weather, model.settings), workers)


def update_clean(model: ForecastModel, clean: LoadHistory, designs: Designs, workers: int = 1) -> ForecastModel:
    """The same from recent days whose faults are unknown values already."""
    clean = realigned(clean, model.clock, model.settings.day_start_quarter)
    if model.weather_free is not None:
        beside = _learnt(model.weather_free, clean, designs.weather_free, workers)
        model = replace(model, weather_free=beside)
    return _learnt(model, clean, designs, workers)


def _learnt(model: ForecastModel, clean: LoadHistory, designs: Designs, workers: int) -> ForecastModel:
    first, end = whole_days(clean.window, model.settings.day_start_quarter)
    begin = max(model.learnt_day, first + 1)
    if begin >= end or not len(model.element):
        return replace(model, learnt_day=max(end, model.learnt_day))
    first = max(first, begin - RECENT_DAYS)

    def learn(rows: Ints) -> Track:
        shared = designs.shared(int(model.cell[rows[0]]), first, end)
        y_w = days_of(clean, first, end, model.settings)[model.element[rows] * 3 + model.phase[rows]]
        panel = with_weather_known(model, rows, make_panel(y_w / model.scale_w[rows, None, None], shared))
        targets = Targets.all_delays(begin, end)
        forecasts = np.stack([EXPERTS[n].forecast(f, panel, targets) for n, f in fitted_of(model, rows).items()])
        return learn_days(track_of(model.track, rows), panel, forecasts, begin, model.settings)

    parts = list(chunks_of(model))
    tracks = on_threads(learn, parts, workers)
    back = np.argsort(np.concatenate(parts), kind="stable")
    return replace(model, track=gathered_track(tracks, back, len(model.experts)), learnt_day=end)
