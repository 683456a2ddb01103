"""An element without history is forecast from its connections, with wide margins, and grows out of it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings, ForecastSource, LoadHistory, Weather, fit, predict
from ampacity.forecasting.profiles import PROFILE_KINDS, PROFILES, profile_of
from ampacity.intake import read_folder
from ampacity.network.connections import ConnectionKind, parsed_connections
from ampacity.timegrid import Window, quarter_at

SETTINGS = ForecastSettings()
HOMES = np.array([[40.0, 2.0, 0.0, 0.0]])
LIMIT_W = np.full((1, 3), 60_000.0)


def street(days=28):
    """Forty homes and two shops on three phases, as made up from their profile with noise."""
    rng = np.random.default_rng(3)
    window = Window(quarter_at(datetime(2026, 2, 2, tzinfo=UTC)), days * 96)
    hour = (np.arange(window.count) // 4 + 1) % 24
    weekday = np.arange(window.count) // 96 % 7
    median_w, _ = profile_of(HOMES[0] / 3, 47)
    shape = median_w[hour + 24 * (weekday >= 5)]
    load_w = 1.15 * shape[None, None] * (1 + 0.12 * rng.standard_normal((1, 3, window.count)))
    return LoadHistory(window=window, load_w=load_w.astype(np.float32))


def forecast(history, known_days, connections=HOMES):
    """What is forecast of the last day when so many of those before it were measured, and what came."""
    end = history.window.end - 96
    load_w = history.load_w[:, :, :-96].copy()
    load_w[:, :, : load_w.shape[2] - known_days * 96] = np.nan
    known = LoadHistory(window=Window(history.window.first, end - history.window.first), load_w=load_w)
    cell = np.full(1, -1)
    model = fit(known, Weather.none(known.window), cell, SETTINGS, limit_w=LIMIT_W, connections=connections)
    found = predict(model, known, Weather.none(known.window), window=Window(end, 96))
    return found, history.load_w[:, :, -96:]


def test_without_any_history_the_connections_say_what_to_expect():
    found, came = forecast(street(), known_days=0)

    assert (found.source == ForecastSource.PROFILE).all()
    assert (came < found.at(0.99)).mean() > 0.99
    assert (found.at(0.99) <= 1.5 * 60_000).all()
    error_w = np.abs(found.at(0.5) - came).mean()
    without, _ = forecast(street(), known_days=0, connections=np.zeros((1, 4)))
    assert (without.source == ForecastSource.LIMIT).all()
    assert error_w < 0.5 * np.abs(without.at(0.5) - came).mean()
    assert ((found.at(0.99) - found.at(0.5)) < (without.at(0.99) - without.at(0.5))).all()


def test_margins_narrow_as_history_comes():
    history = street()
    margin, source = {}, {}
    for days in (0, 5, 20):
        found, _ = forecast(history, days)
        margin[days] = (found.at(0.99) - found.at(0.5)).mean()
        source[days] = ForecastSource(int(found.source[0, 0]))

    assert source == {0: ForecastSource.PROFILE, 5: ForecastSource.PRIOR, 20: ForecastSource.WEATHER_FREE}
    assert margin[0] > margin[5] > margin[20]


@pytest.mark.parametrize("folder", ["fontana", "nl-grid-points", "nl-substations", "simbench-urban6"])
def test_a_few_days_of_its_own_say_more_than_yesterday_does(shared, folder):
    measured = read_folder(shared / "data" / folder).measurements
    load_w = np.nansum(measured.load_w, axis=1)
    found_w, came_w, upper_w = [], [], []
    for day in range(20, 48, 3):
        end = day * 96
        known = np.full((len(load_w), 3, 5 * 96), np.nan, np.float32)
        known[:, 0] = load_w[:, end - 5 * 96 : end]
        history = LoadHistory(window=Window(measured.window.first + end - 5 * 96, 5 * 96), load_w=known)
        nothing = Weather.none(history.window)
        model = fit(history, nothing, np.full(len(load_w), -1), SETTINGS)
        found = predict(model, history, nothing, window=Window(history.window.end, 96))
        found_w.append(found.at(0.5)[:, 0])
        upper_w.append(found.at(0.99)[:, 0])
        came_w.append(load_w[:, end : end + 96])
    found_w, came_w, upper_w = (np.stack(part) for part in (found_w, came_w, upper_w))
    yesterday_w = np.stack([load_w[:, (day - 1) * 96 : day * 96] for day in range(20, 48, 3)])

    error, persisted = (np.abs(w - came_w).mean(axis=(0, 2)) for w in (found_w, yesterday_w))
    size_w = np.ptp(came_w, axis=(0, 2))

    assert (error / persisted).mean() < 1.0
    assert (came_w > upper_w).mean() < 0.02
    assert ((upper_w - found_w).mean(axis=(0, 2)) / size_w).mean() < 0.8


def test_margins_of_many_are_thinner_than_of_one():
    one, many = (profile_of(np.array([n, 0, 0, 0.0]), 20) for n in (1.0, 100.0))

    assert many[0] == pytest.approx(100 * one[0])
    assert (many[1] < 40 * one[1]).all()


@pytest.mark.parametrize("name", PROFILE_KINDS)
def test_profiles_are_smooth_and_of_their_mean(name):
    profile = PROFILES[name]

    assert profile.working.mean() == pytest.approx(1)
    for shape in (profile.working, profile.free):
        assert (shape >= 0).all()
        assert np.abs(np.diff(np.append(shape, shape[0]))).max() < 0.6 * shape.max()
    assert set(PROFILE_KINDS) == {kind.value for kind in ConnectionKind}


def test_real_homes_seldom_pass_the_margin_of_their_profile(shared):
    """Eight all-electric homes in California, which draw more than the European ones that the curves are of."""
    folder = read_folder(shared / "data" / "fontana")
    measured = folder.measurements
    summed_w = measured.load_w[0].sum(axis=0)
    median_w, width_w = profile_of(np.array([8.0, 0, 0, 0]), 200)

    assert np.nanmean(summed_w > median_w.max() + width_w.max()) < 0.03


def test_wrong_connections_are_told_where_they_stand():
    with pytest.raises(ValueError, match="'castle:1' must be one of household, commercial, heat_pump, solar_kw"):
        parsed_connections("household:2;castle:1")
    with pytest.raises(ValueError, match="'household:-1' must end in a number of 0 or more"):
        parsed_connections("household:-1")
