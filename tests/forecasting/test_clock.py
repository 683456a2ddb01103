"""A meter whose clock moved is found, its history is moved along, and nothing else is taken for it."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from synthetic import FIRST, history, made_up

from ampacity.forecasting import ForecastSettings, LoadHistory, dump_model, fit, load_model, predict
from ampacity.forecasting.clock import clock_moves
from ampacity.forecasting.faults import without_faults
from ampacity.forecasting.panel import whole_days
from ampacity.forecasting.preparation import days_of
from ampacity.intake import read_folder
from ampacity.timegrid import Window

FOLDERS = {
    "nl-grid-points": "Europe/Amsterdam",
    "nl-substations": "Europe/Amsterdam",
    "tetouan": "UTC",
    "fontana": "America/Los_Angeles",
    "simbench-urban6": "Europe/Berlin",
}


def days_in(folder, zone):
    """All measured days of a folder (S, D, 96), the number of the first, and the settings."""
    settings = ForecastSettings(zone=ZoneInfo(zone))
    measured = read_folder(folder).measurements
    clean = without_faults(LoadHistory(window=measured.window, load_w=measured.load_w))
    first, end = whole_days(clean.window, 0)
    y_w = days_of(clean, first, end, settings)
    return y_w[np.isfinite(y_w).any(axis=(1, 2))], first, settings


@pytest.mark.parametrize(("folder", "zone"), FOLDERS.items())
def test_no_real_series_is_said_to_have_a_moved_clock(shared, folder, zone):
    y_w, first, settings = days_in(shared / "data" / folder, zone)

    for days in (56, 180):
        assert clock_moves(y_w[:, -days:], first + max(0, y_w.shape[1] - days), settings).count == 0


@pytest.mark.parametrize("hour", [1, -1])
@pytest.mark.parametrize("days_ago", [10, 20, 40])
def test_a_clock_that_moved_in_a_real_series_is_found_to_the_day(shared, hour, days_ago):
    y_w, first, settings = days_in(shared / "data" / "tetouan", "UTC")
    flat = y_w.reshape(len(y_w), -1)
    flat[:, -days_ago * 96 :] = np.roll(flat, 4 * hour, axis=1)[:, -days_ago * 96 :]

    found = clock_moves(y_w, first, settings)

    assert (found.moved == 4 * hour).all()
    assert (np.abs(found.since - (first + y_w.shape[1] - days_ago)) <= 1).all()


def test_the_public_clock_is_no_fault():
    settings = ForecastSettings()
    day = 20_524  # 2026-03-12: 17 days before summer time begins
    at = np.arange(60 * 96).reshape(60, 96)
    summer = np.arange(60) + day - 30 >= day + 17
    hour = (at % 96) / 4 + 1 + summer[:, None]
    people_w = (2000 + 1500 * np.sin((hour - 13) / 24 * 2 * np.pi) + 600 * np.sin(hour / 3)).astype(np.float32)
    machine_w = (2000 + 1500 * np.sin((at % 96 / 4 - 13) / 24 * 2 * np.pi)).astype(np.float32)

    assert clock_moves(np.stack([people_w, machine_w]), day - 30, settings).count == 0


def test_a_forecast_after_a_move_is_as_good_as_without_one():
    days = 56
    load_w, weather = made_up(elements=2, days=days, noise=0.03, seed=5)
    moved_w = load_w.copy()
    moved_w[:, :, : (days - 9) * 96] = np.roll(load_w, -4, axis=2)[:, :, : (days - 9) * 96]
    cell = np.full(2, -1)
    came = load_w[:, :, days * 96 :][:, :, :96]

    error = {}
    for name, given_w in (("usual", load_w), ("moved", moved_w)):
        model = load_model(dump_model(fit(history(given_w, until=days * 96), weather, cell, ForecastSettings())))
        recent = history(given_w, until=days * 96, since=(days - 15) * 96)
        found = predict(model, recent, weather, window=Window(FIRST + days * 96, 96))
        error[name] = np.abs(found.at(0.5) - came).mean()
        assert model.clock.count == (6 if name == "moved" else 0)

    assert error["moved"] < 1.05 * error["usual"]
