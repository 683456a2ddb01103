"""What meters do wrong is found, marked, and does not spoil the forecast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import FIRST, history, made_up

from ampacity.forecasting import ForecastSettings, fit, predict
from ampacity.forecasting.faults import FaultKind, find_faults, level_shift, without_faults
from ampacity.timegrid import Window

DAYS = 35


@pytest.fixture(scope="module")
def healthy():
    return made_up(elements=2, days=DAYS, seed=5)


def test_a_healthy_series_is_left_alone(healthy):
    assert not find_faults(healthy[0]).any()
    given_history = history(healthy[0], until=DAYS * 96)
    assert without_faults(given_history) is given_history


@given(at=st.integers(0, DAYS * 96 - 5), length=st.integers(1, 4), factor=st.sampled_from([-100.0, 30.0, 100.0]))
def test_a_spike_is_found_wherever_it_is(healthy, at, length, factor):
    load_w = healthy[0].copy()
    load_w[0, 1, at : at + length] *= factor

    marks = find_faults(load_w)

    assert (marks[0, 1, at : at + length] == FaultKind.SPIKE).all()
    assert (marks > 0).sum() == length


def test_a_load_that_stays_high_is_no_spike(healthy):
    load_w = healthy[0].copy()
    load_w[0, 0, 20 * 96 : 20 * 96 + 30] *= 8

    assert not (find_faults(load_w) == FaultKind.SPIKE).any()


def test_a_frozen_meter_is_found(healthy):
    load_w = healthy[0].copy()
    load_w[0, 2, 1000:1060] = load_w[0, 2, 1000]

    marks = find_faults(load_w)

    assert (marks[0, 2, 1000:1060] == FaultKind.FROZEN).all()
    assert (marks > 0).sum() == 60


def test_hourly_and_constant_loads_are_not_frozen(healthy):
    hourly = np.repeat(healthy[0][:, :, ::4], 4, axis=2)
    constant = np.full_like(hourly, 500.0)

    assert not find_faults(hourly).any()
    assert not find_faults(constant).any()


def test_a_day_with_the_wrong_sign_is_found(healthy):
    load_w = np.abs(healthy[0]) + 1000
    load_w[1, 0, 10 * 96 : 11 * 96] *= -1

    marks = find_faults(load_w)

    assert (marks[1, 0, 10 * 96 : 11 * 96] == FaultKind.SIGN).all()
    assert (marks > 0).sum() == 96


def test_a_shifted_level_is_found_with_its_day_and_size():
    rng = np.random.default_rng(0)
    mean = 100 + rng.normal(0, 1, (3, 60))
    mean[1, 40:] += 50

    day, size = level_shift(mean)

    assert day.tolist() == [0, 40, 0]
    assert size[1] == pytest.approx(50, abs=3)


def test_faults_hardly_change_the_forecast(healthy):
    load_w, weather = healthy
    damaged = load_w.copy()
    rng = np.random.default_rng(1)
    for element in range(2):
        for phase in range(3):
            damaged[element, phase, rng.integers(0, DAYS * 96, 5)] *= 100
            begin = rng.integers(0, DAYS * 96 - 400)
            damaged[element, phase, begin : begin + 200] = damaged[element, phase, begin]
    found = []
    for loads in (load_w, damaged):
        given_history = history(loads, until=DAYS * 96)
        model = fit(given_history, weather, np.zeros(2, np.int64), ForecastSettings(calibration_weeks=1))
        recent = history(loads, until=DAYS * 96, since=(DAYS - 15) * 96)
        found.append(predict(model, recent, weather, window=Window(FIRST + DAYS * 96, 96)))

    came = load_w[:, :, DAYS * 96 :][:, :, :96]
    clean, dirty = (np.abs(f.at(0.5) - came).mean() for f in found)
    assert dirty < 1.25 * clean


def test_after_a_switch_the_forecast_follows_the_new_level(healthy):
    load_w, weather = healthy
    shifted = load_w.copy()
    shifted[:, :, (DAYS - 5) * 96 :] += 60_000

    model = fit(
        history(shifted, until=DAYS * 96), weather, np.zeros(2, np.int64), ForecastSettings(calibration_weeks=1)
    )
    recent = history(shifted, until=DAYS * 96, since=(DAYS - 31) * 96)
    found = predict(model, recent, weather, window=Window(FIRST + DAYS * 96, 96))

    came = shifted[:, :, DAYS * 96 :][:, :, :96]
    assert np.abs(found.at(0.5) - came).mean() < 0.1 * 60_000
