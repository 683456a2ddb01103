"""A block with a week of history, some of it empty, is fitted, learnt from and forecast like any other."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import FIRST, history, made_up

from ampacity.forecasting import (
    ForecastSettings,
    ForecastSource,
    dump_daily,
    dump_model,
    fit,
    forecast_days,
    load_daily,
    load_model,
    predict,
    update,
)
from ampacity.timegrid import Window

DAYS = 7
LIMIT_W = np.full((3, 3), 60_000.0)


def some_empty(days=DAYS):
    """Three elements: one measured, one with a phase that never was, one of which nothing came."""
    load_w, weather = made_up(elements=3, days=days)
    load_w[1, 2], load_w[2] = np.nan, np.nan
    return load_w, weather


def forecast(model, load_w, weather, origin):
    """From a stored base and a stored model without its experts, as a cycle does."""
    window = Window(FIRST + origin, 150)
    known = history(load_w, until=origin)
    base = load_daily(dump_daily(forecast_days(load_model(dump_model(model)), known, weather, window=window)))
    beside = None if model.weather_free is None else replace(model.weather_free, experts={})
    packed = load_model(dump_model(replace(model, experts={}, weather_free=beside)))
    return predict(packed, known, weather, window=window, daily=base)


def blind(weather, since):
    found = replace(weather, temperature_c=weather.temperature_c.copy())
    found.temperature_c[:, since:] = np.nan
    return found


@pytest.mark.parametrize("known_weather", [0, DAYS * 96, DAYS * 96 + 40, 10 * 96], ids="{} quarters of it".format)
def test_a_week_of_history_gives_priors_with_and_without_weather(known_weather):
    load_w, weather = some_empty()
    weather = blind(weather, known_weather)
    model = fit(history(load_w, until=DAYS * 96), weather, np.zeros(3, np.int64), ForecastSettings(), limit_w=LIMIT_W)

    found = forecast(model, load_w, weather, DAYS * 96 + 30)

    assert len(model.element) == 0
    assert model.weather_free is None
    assert (found.source[0] == ForecastSource.PRIOR).all()
    assert found.source[1].tolist() == [ForecastSource.PRIOR, ForecastSource.PRIOR, ForecastSource.LIMIT]
    assert (found.source[2] == ForecastSource.LIMIT).all()
    assert np.isfinite(found.load_w).all()


def test_a_block_of_which_nothing_came_is_forecast_by_its_limits():
    load_w, weather = some_empty()
    load_w[:] = np.nan
    model = fit(history(load_w, until=DAYS * 96), weather, np.zeros(3, np.int64), ForecastSettings(), limit_w=LIMIT_W)

    found = forecast(model, load_w, weather, DAYS * 96)

    assert (found.source == ForecastSource.LIMIT).all()
    assert (found.at(0.99) >= LIMIT_W[..., None]).all()


def test_series_grow_from_priors_into_models_with_and_without_weather():
    load_w, weather = some_empty(days=24)
    cell = np.array([0, 0, -1])
    before = fit(history(load_w, until=DAYS * 96), weather, cell, ForecastSettings(), limit_w=LIMIT_W)
    load_w[2] = load_w[0]

    learnt = update(before, history(load_w, until=9 * 96), weather)
    model = fit(
        history(load_w, until=23 * 96), weather, cell, ForecastSettings(), limit_w=LIMIT_W, previous=learnt
    )  # fmt: skip

    found = forecast(model, load_w, blind(weather, 23 * 96 + 20), 23 * 96)
    assert learnt.learnt_day == before.end_day + 2
    assert model.weather_free is not None
    assert model.weather_free.element.tolist() == [0, 0, 0, 1, 1]
    assert model.element.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert found.source[1, 2] == ForecastSource.LIMIT
    assert (found.source[2] == ForecastSource.WEATHER_FREE).all()
    assert np.isfinite(found.load_w).all()
    assert found.weather_free[:2, :2, 20:].all()
    assert not found.weather_free[:2, :2, :20].any()


def test_elements_that_go_and_come_between_fits_do_not_mix_up_the_models_beside_each_other():
    load_w, weather = some_empty(days=30)
    cell = np.zeros(3, np.int64)
    before = fit(history(load_w, until=21 * 96), weather, cell, ForecastSettings(), limit_w=LIMIT_W)
    changed_w = load_w.copy()
    changed_w[2], changed_w[0] = load_w[0], np.nan
    dark = blind(weather, 0)

    model = fit(history(changed_w, until=28 * 96), dark, cell, ForecastSettings(), limit_w=LIMIT_W, previous=before)
    again = fit(history(changed_w, until=29 * 96), weather, cell, ForecastSettings(), limit_w=LIMIT_W, previous=model)

    assert model.element.tolist() == again.element.tolist() == [1, 1, 2, 2, 2]
    for fitted in (model, again):
        found = forecast(fitted, changed_w, blind(weather, 29 * 96 + 10), 29 * 96)
        assert np.isfinite(found.load_w).all()
        assert (found.source[0] == ForecastSource.LIMIT).all()
