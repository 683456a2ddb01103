"""A block is fitted and forecast at once; what is known decides how, and is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import FIRST, history, made_up

from ampacity.errors import Unsuitable
from ampacity.forecasting import (
    ForecastSettings,
    ForecastSource,
    LoadHistory,
    Outline,
    Weather,
    dump_model,
    fallback_band,
    fit,
    forecast_days,
    load_model,
    predict,
    update,
    weekly_extremes,
)
from ampacity.timegrid import Window

DAYS = 42
SETTINGS = ForecastSettings()


@pytest.fixture(scope="module")
def fitted():
    load_w, weather = made_up(elements=4, days=DAYS)
    model = fit(history(load_w, until=DAYS * 96), weather, np.zeros(4, np.int64), SETTINGS)
    return load_w, weather, model


def forecast(fitted, origin=DAYS * 96, count=192):
    load_w, weather, model = fitted
    return predict(
        model, history(load_w, until=origin, since=origin - 15 * 96), weather, window=Window(FIRST + origin, count)
    )


def test_forecasts_near_the_noise_of_the_load(fitted):
    found = forecast(fitted)

    came = fitted[0][:, :, DAYS * 96 :][:, :, :192]
    error = np.abs(found.at(0.5) - came).mean(axis=2)
    size = (np.quantile(came, 0.99, axis=2) - np.quantile(came, 0.01, axis=2)).clip(1)
    assert (error / size < 0.06).all()
    assert (found.source == ForecastSource.MODEL).all()


def test_the_upper_quantile_is_seldom_exceeded(fitted):
    found = forecast(fitted)

    came = fitted[0][:, :, DAYS * 96 :][:, :, :192]
    assert (came > found.at(0.99)).mean() < 0.03
    assert (came > found.at(0.95)).mean() == pytest.approx(0.05, abs=0.03)


@settings(max_examples=12, deadline=None)
@given(origin=st.integers(0, 95), risk=st.sampled_from([0.001, 0.01, 0.03, 0.2]), seed=st.integers(0, 99))
def test_quantiles_never_cross(fitted, origin, risk, seed):
    load_w, weather, model = fitted
    load_w = load_w + np.random.default_rng(seed).normal(0, 3e4, load_w.shape).astype(np.float32)
    model = replace(model, settings=replace(SETTINGS, risk=risk))

    found = forecast((load_w, weather, model), origin=DAYS * 96 + origin, count=200)

    assert np.isfinite(found.load_w).all()
    assert (np.diff(found.load_w, axis=0) >= 0).all()
    assert list(found.levels) == sorted(found.levels)


@pytest.mark.parametrize("known", [True, False], ids=["weather", "no-weather"])
def test_an_outline_is_all_that_forecasts_need_of_a_model(fitted, known):
    load_w, weather, model = fitted
    weather = weather if known else weather.unknown()
    origin = DAYS * 96 + 30
    recent, window = history(load_w, until=origin, since=origin - 15 * 96), Window(FIRST + origin, 120)
    daily = forecast_days(model, recent, weather, window=window)
    outline = Outline.of(model, daily)

    found = predict(outline.model, recent, weather, window=window, daily=daily, outline=outline)

    whole = predict(model, recent, weather, window=window, daily=daily)
    assert found.load_w.tobytes() == whole.load_w.tobytes()
    assert (outline.weather_free is None) == known
    assert not outline.model.experts
    assert outline.nbytes < 12 * 5_000 * (1 if known else 2)  # of 12 series


def test_a_surprise_moves_the_coming_hours_and_fades(fitted):
    load_w, weather, model = fitted
    higher = load_w.copy()
    now = DAYS * 96 + 40
    higher[:, :, now - 1] *= 1.5

    difference = forecast((higher, weather, model), now).at(0.5) - forecast(fitted, now).at(0.5)

    assert (difference[:, :, 0] >= 0).all()
    assert difference[:, :, 0].max() > 0
    assert (difference[:, :, 40:56] == 0).all()


def test_a_model_comes_back_from_its_bytes(fitted):
    load_w, weather, model = fitted

    again = load_model(dump_model(model))

    difference = forecast((load_w, weather, again)).load_w - forecast(fitted).load_w
    assert np.abs(difference).max() < 2e-3 * load_w.max()
    assert len(dump_model(model)) < 12 * 22_000  # 3 phases of 4 elements, with and without weather
    assert again.settings == model.settings


def test_gaps_do_not_break_a_forecast():
    load_w, weather = made_up(elements=2, days=DAYS, seed=3)
    holed = load_w.copy()
    holed[np.random.default_rng(1).random(holed.shape) < 0.2] = np.nan
    holed[:, :, 10 * 96 : 15 * 96] = np.nan
    holed[0, 0, (DAYS - 2) * 96 :] = np.nan
    model = fit(history(holed, until=DAYS * 96), weather, np.zeros(2, np.int64), SETTINGS)

    found = forecast((holed, weather, model))

    came = load_w[:, :, DAYS * 96 :][:, :, :192]
    assert np.isfinite(found.load_w).all()
    assert (np.abs(found.at(0.5) - came).mean() / came.mean()) < 0.1


def test_series_without_history_get_what_is_known_of_them():
    load_w, weather = made_up(elements=4, days=DAYS)
    load_w[1, :, : (DAYS - 3) * 96] = np.nan
    load_w[2] = np.nan
    load_w[3] = np.nan
    limit_w = np.array([[5e4] * 3, [5e4] * 3, [5e4] * 3, [0, 0, 5e4]])
    model = fit(history(load_w, until=DAYS * 96), weather, np.zeros(4, np.int64), SETTINGS, limit_w=limit_w)

    found = forecast((load_w, weather, model))

    came = load_w[:, :, DAYS * 96 :][:, :, :192]
    assert (found.source[0] == ForecastSource.MODEL).all()
    assert (found.source[1] == ForecastSource.PRIOR).all()
    assert (found.source[2] == ForecastSource.LIMIT).all()
    assert found.source[3].tolist() == [ForecastSource.NONE, ForecastSource.NONE, ForecastSource.LIMIT]
    assert np.isnan(found.load_w[:, 3, 0]).all()
    assert np.isfinite(found.load_w[:, :3]).all()
    assert (found.at(0.99)[2] >= limit_w[2][:, None]).all()
    assert (found.at(0.99)[1][:, :192] > came[1]).mean() > 0.98


def without_radiation(weather, since):
    blind = replace(weather, global_radiation_w_m2=weather.global_radiation_w_m2.copy())
    blind.global_radiation_w_m2[:, since:] = np.nan
    return blind


def test_without_weather_a_forecast_says_so_and_is_wider(fitted):
    load_w, weather, model = fitted
    blind = without_radiation(weather, DAYS * 96)

    found, usual = forecast((load_w, blind, model)), forecast(fitted)

    assert (found.source == ForecastSource.WEATHER_FREE).all()
    assert found.weather_free.all()
    assert usual.weather_free is None
    margin, usual_margin = found.at(0.99) - found.at(0.5), usual.at(0.99) - usual.at(0.5)
    assert (margin / usual_margin).mean() > 1.1
    stale = forecast((load_w, replace(weather, stale=np.array([True])), model))
    assert (stale.source == ForecastSource.WEATHER_FREE).all()
    assert (stale.load_w == found.load_w).all()


def test_quarters_with_weather_are_forecast_from_it_beside_quarters_without(fitted):
    load_w, weather, model = fitted
    known = 100
    blind = without_radiation(weather, DAYS * 96 + known)

    found, usual = forecast((load_w, blind, model)), forecast(fitted)

    assert (found.source == ForecastSource.MODEL).all()
    assert not found.weather_free[:, :, :known].any()
    assert found.weather_free[:, :, known:].all()
    assert (found.load_w[..., :known] == usual.load_w[..., :known]).all()
    dark = forecast((load_w, without_radiation(weather, DAYS * 96), model))
    assert (found.load_w[..., known:] == dark.load_w[..., known:]).all()


def test_a_model_without_one_beside_it_widens_where_weather_is_missing(fitted):
    load_w, weather, model = fitted
    blind = without_radiation(weather, DAYS * 96)

    found = forecast((load_w, blind, replace(model, weather_free=None)))

    assert found.weather_free.all()
    margin, usual = found.at(0.99) - found.at(0.5), forecast(fitted)
    assert np.allclose(margin, 1.8 * (usual.at(0.99) - usual.at(0.5)), rtol=1e-3)


def test_days_whose_weather_was_missing_teach_only_the_model_without_weather(fitted):
    load_w, weather, model = fitted
    later = history(load_w, until=(DAYS + 2) * 96, since=(DAYS - 16) * 96)

    learnt = update(model, later, without_radiation(weather, DAYS * 96))

    assert (learnt.track.days == model.track.days).all()
    assert (learnt.track.calibration.size == model.track.calibration.size).all()
    assert (learnt.weather_free.track.days == model.weather_free.track.days + 2).all()


def test_an_element_far_from_any_cell_is_forecast_from_the_calendar():
    load_w, weather = made_up(elements=1, days=DAYS)
    model = fit(history(load_w, until=DAYS * 96), Weather.none(weather.window), np.array([-1]), SETTINGS)

    found = predict(
        model,
        history(load_w, until=DAYS * 96, since=(DAYS - 15) * 96),
        Weather.none(weather.window),
        window=Window(FIRST + DAYS * 96, 192),
    )

    assert (found.source == ForecastSource.WEATHER_FREE).all()
    assert np.isfinite(found.load_w).all()


def test_no_history_at_all_is_answered_by_the_limit():
    nothing = LoadHistory(window=Window(FIRST, 0), load_w=np.zeros((2, 3, 0), np.float32))
    weather = Weather.none(Window(FIRST, 192))
    model = fit(nothing, weather, np.full(2, -1), SETTINGS, limit_w=np.full((2, 3), 1e4))

    found = predict(model, nothing, weather, window=Window(FIRST, 192))

    assert (found.source == ForecastSource.LIMIT).all()
    assert (found.at(0.99) >= 1e4).all()


def test_the_fallback_band_holds_the_coming_week(fitted):
    load_w, _, _ = fitted
    week = Window(FIRST + 35 * 96, 7 * 96)

    low, high = fallback_band(weekly_extremes(history(load_w, until=35 * 96), SETTINGS), SETTINGS, window=week)

    came = load_w[:, :, 35 * 96 : DAYS * 96].reshape(4, 3, -1, 4)
    assert high.shape == (4, 3, 168)
    assert (came.max(axis=3) <= high).mean() > 0.999
    assert (came.min(axis=3) >= low).mean() > 0.999


def test_the_fallback_band_spans_the_limit_where_nothing_is_known():
    nothing = LoadHistory(window=Window(FIRST, 96), load_w=np.full((1, 3, 96), np.nan, np.float32))

    extremes, limit_w = weekly_extremes(nothing, SETTINGS), np.array([[1e4, 1e4, 0]])
    low, high = fallback_band(extremes, SETTINGS, window=Window(FIRST + 96, 96), limit_w=limit_w)

    assert (high[0, :2] >= 1e4).all()
    assert (low[0, :2] <= -1e4).all()
    assert np.isnan(high[0, 2]).all()


def test_a_wrong_shape_or_risk_is_refused():
    with pytest.raises(Unsuitable, match=r"must be \(E, 3, 96\)"):
        LoadHistory(window=Window(0, 96), load_w=np.zeros((1, 3, 95), np.float32))
    with pytest.raises(Unsuitable, match=r"risk is 0\.5"):
        ForecastSettings(risk=0.5)


def test_a_refit_carries_the_margins_on(fitted):
    load_w, weather, model = fitted
    later = DAYS * 96 + 2 * 96
    told = update(model, history(load_w, until=later, since=later - 33 * 96), weather)

    refitted = fit(history(load_w, until=later), weather, np.zeros(4, np.int64), SETTINGS, previous=model)

    assert told.learnt_day == refitted.end_day == model.end_day + 2
    np.testing.assert_allclose(refitted.track.days, told.track.days)
    np.testing.assert_allclose(refitted.track.calibration.histogram, told.track.calibration.histogram, rtol=0.02)
    assert (told.track.days > model.track.days).all()
