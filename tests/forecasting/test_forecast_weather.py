"""On a real series: weather that is forecast with errors widens the margins, and they hold."""

from dataclasses import replace

import numpy as np
import pytest

from ampacity.app.backtest_inputs import backtest_input
from ampacity.forecasting import ForecastSettings, LoadHistory
from ampacity.forecasting.backtest import BacktestPlan, backtest
from ampacity.forecasting.types import WEATHER_VARIABLES
from ampacity.intake import read_folder

PLAN = BacktestPlan(days=28)
SIZE_OF_ERROR = {"temperature_c": 2.0, "global_radiation_w_m2": 0.5, "wind_speed_m_s": 0.3}
MEMORY = 0.97  # of an error from quarter to quarter


@pytest.fixture(scope="module")
def given(shared):
    """The substation of the Dutch ones that sun and wind shape most, and what came of the weather."""
    found = backtest_input(read_folder(shared / "data" / "nl-substations"), perfect_weather=True, phases=False)
    (row,) = (r for r in found.rows if "mnzl" in r.element_id.lower())
    e = row.index // 3
    history = LoadHistory(window=found.history.window, load_w=found.history.load_w[e : e + 1])
    return history, found.weather_at(0), found.cell[e : e + 1]


def with_errors(weather, rng):
    """The weather as it would have been forecast: errors that last for hours; of sun and wind in proportion."""
    shock = rng.standard_normal((3, weather.window.count)) * np.sqrt(1 - MEMORY**2)
    error = np.empty_like(shock)
    state = np.zeros(3)
    for t in range(shock.shape[1]):
        state = MEMORY * state + shock[:, t]
        error[:, t] = state
    told = {"temperature_c": weather.temperature_c + SIZE_OF_ERROR["temperature_c"] * error[0]}
    for i, name in enumerate(("global_radiation_w_m2", "wind_speed_m_s"), 1):
        told[name] = getattr(weather, name) * np.exp(SIZE_OF_ERROR[name] * error[i])
    return replace(weather, **told)


def issues(came, told):
    """What is known at a quarter: what came before it, and the forecast of what comes."""
    known = {}

    def at(quarter):
        if quarter not in known:
            past = came.window.quarters() < quarter
            columns = {n: np.where(past, getattr(came, n), getattr(told, n)) for n in WEATHER_VARIABLES}
            known.clear()
            known[quarter] = replace(came, **columns)
        return known[quarter]

    return at


def outcome(history, weather_at, cell):
    """Share of the quarters above the .99 quantile, mean margin and mean error."""
    came_w, upper_w, median_w = [], [], []
    for made in backtest(history, weather_at, cell, ForecastSettings(), PLAN):
        begin = made.origin - history.window.first
        came_w.append(history.load_w[0, 0, begin : begin + 96])
        upper_w.append(made.forecast.at(0.99)[0, 0, :96])
        median_w.append(made.forecast.at(0.5)[0, 0, :96])
    came, upper, median = (np.concatenate(values) for values in (came_w, upper_w, median_w))
    known = np.isfinite(came)
    return (came > upper)[known].mean(), (upper - median).mean(), np.abs(came - median)[known].mean()


def test_errors_of_the_weather_widen_the_margin_and_it_holds(given):
    history, came, cell = given
    told = with_errors(came, np.random.default_rng(4))

    exceeded, margin_w, error_w = outcome(history, issues(came, told), cell)

    _, usual_margin_w, usual_error_w = outcome(history, lambda _: came, cell)
    assert error_w > 1.1 * usual_error_w
    assert margin_w > 1.1 * usual_margin_w
    assert exceeded < 0.02
