"""A backtest forecasts the past from what was known then, and scores what it said."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import FIRST, made_up

from ampacity.errors import Unsuitable
from ampacity.forecasting import ForecastSettings, ForecastSource, LoadHistory
from ampacity.forecasting.backtest import BacktestPlan, backtest
from ampacity.forecasting.scores import Said, margin_at, naive_mae_w, pinball_loss, score, wrapped_upper
from ampacity.forecasting.weather_rows import archive
from ampacity.timegrid import QUARTER_S, Window

DAYS = 30
SETTINGS = ForecastSettings(calibration_weeks=1)


def issues(weather, rng):
    """Weather rows: what came, known an hour later, and a forecast of each day made at its start, with errors."""
    window = weather.window
    quarters = window.quarters()
    valid = (quarters * QUARTER_S).astype("datetime64[s]")
    day_start = (quarters // 96 * 96 * QUARTER_S).astype("datetime64[s]")
    columns = {n: getattr(weather, n)[0] for n in ("temperature_c", "global_radiation_w_m2", "wind_speed_m_s")}
    rows = {name: np.concatenate([c, c + rng.normal(0, 0.3, c.shape)]) for name, c in columns.items()}
    return SimpleNamespace(
        available_at=np.concatenate([valid + np.timedelta64(3600, "s"), day_start - np.timedelta64(3600, "s")]),
        valid_at=np.concatenate([valid, valid]),
        latitude=np.full(2 * len(quarters), 52.0),
        longitude=np.full(2 * len(quarters), 5.0),
        **rows,
    )


def run(load_w, rows, every=96, days=2):
    count = load_w.shape[2]
    told = archive(rows)
    window = Window(FIRST, count + 4 * 96)
    made = backtest(
        LoadHistory(window=Window(FIRST, count), load_w=load_w),
        lambda quarter: told.known_at(quarter, window),
        np.zeros(len(load_w), np.int64),
        SETTINGS,
        BacktestPlan(days=days, every=every),
    )
    return {m.origin: m.forecast for m in made}


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 99), origin=st.integers(0, 7))
def test_nothing_that_became_known_later_changes_a_forecast(seed, origin):
    rng = np.random.default_rng(seed)
    load_w, weather = made_up(elements=1, days=DAYS, ahead=0, seed=seed)
    rows = issues(weather, rng)
    at = FIRST + (DAYS - 2) * 96 + origin * 24

    before = run(load_w, rows, every=24)[at]
    later_w = load_w.copy()
    later_w[:, :, at - FIRST :] = rng.normal(0, 1e6, later_w[:, :, at - FIRST :].shape)
    unknown = rows.available_at.astype(np.int64) > at * QUARTER_S
    for name in ("temperature_c", "global_radiation_w_m2", "wind_speed_m_s"):
        getattr(rows, name)[unknown] += 50
    after = run(later_w, rows, every=24)[at]

    assert unknown.any()
    np.testing.assert_array_equal(before.load_w, after.load_w)


def test_what_became_known_before_does_change_it():
    load_w, weather = made_up(elements=1, days=DAYS, ahead=0)
    rows = issues(weather, np.random.default_rng(0))
    origin = FIRST + (DAYS - 1) * 96

    before = run(load_w, rows, days=1)[origin]
    rows.global_radiation_w_m2[rows.available_at.astype(np.int64) <= origin * QUARTER_S] *= 0.5
    after = run(load_w, rows, days=1)[origin]

    assert (before.load_w != after.load_w).any()


def test_a_known_delay_of_the_measurements_is_waited_for():
    load_w, weather = made_up(elements=1, days=DAYS, ahead=0)
    later = load_w.copy()
    later[:, :, -96 - 8 :] *= 3
    given_history = LoadHistory(window=Window(FIRST, DAYS * 96), load_w=load_w)
    plan = BacktestPlan(days=1, delay=8)

    found = [
        next(iter(backtest(h, lambda _: weather, np.zeros(1, np.int64), SETTINGS, plan)))
        for h in (given_history, LoadHistory(window=given_history.window, load_w=later))
    ]

    np.testing.assert_array_equal(found[0].forecast.load_w, found[1].forecast.load_w)


def test_origins_must_divide_the_day():
    with pytest.raises(Unsuitable, match="every 7 quarters"):
        BacktestPlan(every=7)


def said(median, came, width=1.0):
    median, came = np.atleast_2d(np.array(median, np.float32)), np.atleast_2d(np.array(came, np.float32))
    at = np.arange(median.shape[1])
    return Said(
        levels=(0.01, 0.5, 0.99),
        load_w=np.stack([median - width, median, median + width]),
        came_w=came,
        lead=at % 96 + 1,
        day=at // 96,
    )


def test_scores_are_those_counted_by_hand():
    found = score(said([10, 10, 10, 10], [10, 12, 9, np.nan]), 0.01, np.array([4.0]))[0]

    assert found["n"] == 3
    assert found["mae_w"] == pytest.approx(1.0)
    assert found["rmae"] == pytest.approx(0.25)
    assert found["bias_w"] == pytest.approx(-1 / 3)
    assert found["exceedance"] == {"0.01": 0.0, "0.5": pytest.approx(1 / 3), "0.99": pytest.approx(1 / 3)}
    assert found["mean_margin_w"] == pytest.approx(1.0)
    assert found["days_with_exceedance"] == 1.0
    assert found["pinball"]["0.99"] == pytest.approx((0.01 + 0.99 + 0.02) / 3)
    assert found["by_lead_hour"][0]["lead_hour"] == 1


def test_hourly_loads_are_scored_by_the_hour():
    hourly = said([8, 12, 10, 10], [10, 10, 10, 10]).in_steps(4)

    assert score(hourly, 0.01, np.array([1.0]))[0]["mae_w"] == 0
    assert hourly.lead.tolist() == [4]


def test_pinball_weighs_the_sides():
    assert pinball_loss(np.array([[0.0]]), np.array([[1.0]]), 0.9)[0] == pytest.approx(0.9)
    assert pinball_loss(np.array([[1.0]]), np.array([[0.0]]), 0.9)[0] == pytest.approx(0.1)


def test_a_margin_at_a_risk_is_exceeded_that_often():
    rng = np.random.default_rng(0)
    came, median = rng.normal(0, 3, (1, 10_000)), np.zeros((1, 10_000))

    margin = margin_at(median, median + 1, came, 0.01)

    assert (came > margin[0]).mean() == pytest.approx(0.01, abs=0.001)


def test_the_conformal_rule_holds_its_risk_on_any_forecast():
    rng = np.random.default_rng(0)
    came = rng.standard_t(4, (3, 120, 96)).astype(np.float32) * np.array([1, 5, 50], np.float32)[:, None, None]

    upper = wrapped_upper(np.zeros_like(came), came, 0.01)

    exceeded = (came > upper)[:, 20:].mean(axis=(1, 2))
    np.testing.assert_allclose(exceeded, 0.01, atol=0.004)


def test_naive_forecasts_repeat_the_past():
    load_w = np.tile(np.arange(96.0), 30)[None]

    assert naive_mae_w(load_w, 28 * 96, 96, (96,))[0] == 0
    assert naive_mae_w(load_w + np.arange(30).repeat(96), 28 * 96, 96, (96, 192))[0] == pytest.approx(1.5)


def test_weather_that_ends_with_the_history_is_enough_for_its_last_day():
    load_w, weather = made_up(elements=1, days=DAYS, ahead=0)
    given_history = LoadHistory(window=Window(FIRST, DAYS * 96), load_w=load_w)

    made = next(iter(backtest(given_history, lambda _: weather, np.zeros(1, np.int64), SETTINGS, BacktestPlan(days=1))))

    assert (made.forecast.source == ForecastSource.MODEL).all()
