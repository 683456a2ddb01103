"""The usual day: the mean of the same weekday, which noise does not move."""

import numpy as np
import pytest
from synthetic import FIRST

from ampacity.forecasting import ForecastSettings, LoadHistory, Weather, dump_model, fit, forecast_days, load_model
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.expert import Targets
from ampacity.forecasting.experts import EXPERTS
from ampacity.forecasting.preparation import make_panel
from ampacity.timegrid import QUARTERS_PER_DAY, Window

SETTINGS = ForecastSettings()


def panel_of(load):
    """A panel over the days of (S, D, 96)."""
    window = Window(FIRST, load.shape[1] * QUARTERS_PER_DAY)
    first = FIRST // QUARTERS_PER_DAY
    return make_panel(load, Designs(Weather.none(window), SETTINGS).shared(-1, first, first + load.shape[1])), first


def usual(load, day, delay=0):
    panel, first = panel_of(load)
    fitted = EXPERTS["usual"].fit(panel, first, first + load.shape[1])
    targets = Targets(day=np.array([first + day]), delay=np.array([delay]))
    return EXPERTS["usual"].forecast(fitted, panel, targets)[:, 0]


def test_it_is_the_mean_of_the_same_weekday_in_four_weeks():
    load = np.arange(40, dtype=np.float32)[None, :, None].repeat(96, axis=2)

    assert usual(load, 35) == pytest.approx(np.mean([28, 21, 14, 7]))
    assert usual(load, 16) == pytest.approx(np.mean([9, 2]))
    assert usual(load, 5, delay=1) == pytest.approx(3)  # no week yet: the last day that is known


def test_days_that_were_not_measured_do_not_count():
    load = np.arange(40, dtype=np.float32)[None, :, None].repeat(96, axis=2)
    load[0, 28, :48] = np.nan

    found = usual(load, 35)

    assert found[0, :48] == pytest.approx(np.mean([21, 14, 7]))
    assert found[0, 48:] == pytest.approx(np.mean([28, 21, 14, 7]))


def test_a_load_that_follows_its_weekday_alone_is_forecast_with_less_error_with_it():
    rng = np.random.default_rng(7)
    days = 70
    shape = rng.uniform(1000, 3000, (2, 7, 96))
    daily = shape[:, np.arange(days) % 7] * rng.lognormal(0, 0.4, (2, days, 96))
    load_w = np.full((2, 3, days * 96), np.nan, np.float32)
    load_w[:, 0] = daily.reshape(2, -1)
    past = Window(FIRST, (days - 1) * 96)
    came = load_w[:, 0, past.count :]

    def error(experts):
        settings = ForecastSettings(experts=experts, weather_free_experts=())
        history = LoadHistory(window=past, load_w=load_w[:, :, : past.count])
        weather = Weather.none(Window(FIRST, days * 96))
        model = load_model(dump_model(fit(history, weather, np.full(2, -1), settings)))
        base = forecast_days(model, history, weather, window=Window(past.end, 96))
        return np.abs(base.load[:, 1] * model.scale_w[:, None] - came).mean()

    assert error(SETTINGS.experts) < error(tuple(n for n in SETTINGS.experts if n != "usual"))
