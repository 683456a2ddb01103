"""Forecast a block from its model and the newest measurements."""

import numpy as np

from ampacity.forecasting.bands import View, quantiles
from ampacity.forecasting.calibration import DELAY_BANDS
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.experts import EXPERTS, takes_part
from ampacity.forecasting.model import RECENT_DAYS, ForecastModel, chunks_of, fitted_of, make_panel
from ampacity.forecasting.panel import Panel, Shared, whole_days
from ampacity.forecasting.prior import prior_band
from ampacity.forecasting.tracking import mix, track_of
from ampacity.forecasting.types import Floats32, ForecastSource, Ints, LoadForecast, LoadHistory, Weather
from ampacity.timegrid import QUARTERS_PER_DAY, Window

MISSING_WEATHER = 0.1  # share of the window without weather above which a forecast counts as weather-free


def predict(
    model: ForecastModel,
    recent: LoadHistory,
    weather: Weather,
    *,
    window: Window,
    designs: Designs | None = None,
) -> LoadForecast:
    """Quantiles of the load over a window that starts at the origin.

    A daily base is made from whole days; the newest errors of today correct the next hours.

    Args:
        model: of the same elements, from `fit`.
        recent: the last 15 days or so up to the origin; NaN where nothing came yet.
        weather: covers the recent days and the window, as known at the origin.
        window: from the origin on, at most seven days.
    """
    settings = model.settings
    designs = designs or Designs(weather, settings)
    levels = settings.levels
    out = np.full((len(levels), len(model.source) * 3, window.count), np.nan, np.float32)
    source = model.source.copy()
    for rows in chunks_of(model):
        view = _view(model, rows, recent, window, designs)
        out[:, model.element[rows] * 3 + model.phase[rows]] = quantiles(view, window, levels)
        if view.weather_free:
            source[model.element[rows], model.phase[rows]] = ForecastSource.WEATHER_FREE
    out[:, model.prior.series] = prior_band(model.prior, window, levels, settings)
    return LoadForecast(
        window=window,
        levels=levels,
        load_w=out.reshape(len(levels), -1, 3, window.count),
        source=source.astype(np.int8),
    )


def _view(model: ForecastModel, rows: Ints, recent: LoadHistory, window: Window, designs: Designs) -> View:
    settings = model.settings
    today = (window.first - settings.day_start_quarter) // QUARTERS_PER_DAY
    end = -((settings.day_start_quarter - window.end) // QUARTERS_PER_DAY)
    first = max(whole_days(recent.window, settings.day_start_quarter)[0], today - RECENT_DAYS)
    first = min(first, today - 2)
    cell, group = int(model.cell[rows[0]]), int(model.group[rows[0]])
    shared = designs.shared(cell, first, max(end, today + 1))
    load_w = _aligned(recent, model.element[rows] * 3 + model.phase[rows], window.first, shared)
    scale = model.scale_w[rows]
    scaled = load_w / scale[:, None, None]
    before = scaled.copy()
    before[:, today - first :] = np.nan
    panel = make_panel(before, shared)
    daily = _forecasts(model, rows, panel, today)
    return View(
        track=track_of(model.track, rows),
        scale_w=scale,
        daily=daily,
        y=scaled[:, today - 1 - first : today + 1 - first],
        day_start=today * QUARTERS_PER_DAY + settings.day_start_quarter,
        weather_free=_lacks_weather(model, group, cell, shared, window, designs.weather),
    )


def _aligned(recent: LoadHistory, series: Ints, origin: int, shared: Shared) -> Floats32:
    """Load before the origin as (S, days of `shared`, 96), NaN elsewhere."""
    start = shared.design.window.first
    count = shared.design.window.count
    out = np.full((len(series), count), np.nan, np.float32)
    begin, end = max(start, recent.window.first), min(origin, recent.window.end, start + count)
    if begin < end:
        flat = recent.load_w.reshape(-1, recent.window.count)
        out[:, begin - start : end - start] = flat[series, begin - recent.window.first : end - recent.window.first]
    return out.reshape(len(series), -1, QUARTERS_PER_DAY)


def _forecasts(model: ForecastModel, rows: Ints, panel: Panel, today: int) -> Floats32:
    """Mixed forecasts of yesterday, made then, and of today and the days after, made today: (S, 1 + days, 96)."""
    end = panel.first_day + panel.shared.days
    fitted = fitted_of(model, rows)
    by_expert = [EXPERTS[name].forecast(piece, panel, today - 1, end) for name, piece in fitted.items()]
    track, asked = track_of(model.track, rows), takes_part(model.settings.experts)
    mixed = np.stack(
        [mix(track, np.stack([f[delay] for f in by_expert]), asked[delay]) for delay in range(DELAY_BANDS)]
    )
    delays = np.minimum(np.maximum(np.arange(-1, end - today), 0), DELAY_BANDS - 1)
    at = np.arange(end - today + 1)
    return mixed[delays, :, at].transpose(1, 0, 2)


def _lacks_weather(
    model: ForecastModel, group: int, cell: int, shared: Shared, window: Window, weather: Weather
) -> bool:
    """Whether a variable that the model was fitted on is missing from the window, or too old."""
    if cell < 0:
        return True
    used = next(iter(model.experts.values())).shared["weather"][group] > 0
    at = slice(window.first - shared.design.window.first, window.end - shared.design.window.first)
    missing = 1 - shared.design.known[:, at].mean(axis=1)
    stale = weather.stale is not None and bool(weather.stale[cell])
    return bool(used.any()) and (stale or bool((missing[used] > MISSING_WEATHER).any()))
