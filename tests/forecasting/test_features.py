"""The columns of a design: calendar, weather, sun."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pvlib
import pytest
from synthetic import made_up

from ampacity.forecasting import Designs, ForecastSettings
from ampacity.forecasting.calendar import SATURDAY, SUNDAY, WORKING, calendar_of, day_class, is_holiday
from ampacity.forecasting.design import make_design, smoothed
from ampacity.forecasting.solar import clear_sky_w_m2, sun_elevation_deg
from ampacity.timegrid import QUARTER_S, Window, quarter_at

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(("latitude", "longitude"), [(52.1, 5.3), (35.57, -5.37), (-33.9, 151.2), (67.0, 20.0)])
def test_the_sun_stands_where_pvlib_says(latitude, longitude):
    quarters = quarter_at(datetime(2026, 1, 1, tzinfo=UTC)) + np.arange(0, 365 * 96, 37)
    times = pd.to_datetime(quarters * QUARTER_S + QUARTER_S // 2, unit="s", utc=True)

    expected = pvlib.solarposition.get_solarposition(times, latitude, longitude, method="nrel_numpy")["elevation"]

    found = sun_elevation_deg(quarters, latitude, longitude)
    assert np.abs(found - expected.to_numpy()).max() < 0.05


def test_a_clear_sky_is_that_of_pvlib():
    quarters = quarter_at(datetime(2026, 6, 1, tzinfo=UTC)) + np.arange(96)
    times = pd.to_datetime(quarters * QUARTER_S + QUARTER_S // 2, unit="s", utc=True)
    zenith = pvlib.solarposition.get_solarposition(times, 52.1, 5.3)["zenith"]

    expected = pvlib.clearsky.haurwitz(zenith)["ghi"].to_numpy()

    np.testing.assert_allclose(clear_sky_w_m2(quarters, 52.1, 5.3), expected, atol=4)


def test_without_radiation_the_sun_stands_in_for_it():
    _, weather = made_up(days=20)
    weather.global_radiation_w_m2[:] = np.nan

    design = make_design(weather, 0, Window(weather.window.first, 10 * 96), ForecastSettings())

    assert design.weather[1].max() > 200
    assert not design.known[1].any()


@pytest.mark.parametrize(
    ("day", "quarters"), [((2026, 3, 28, 23), 92), ((2026, 10, 24, 22), 100), ((2026, 6, 1, 22), 96)]
)
def test_a_local_day_has_as_many_quarters_as_the_clock_says(day, quarters):
    window = Window(quarter_at(datetime(*day, tzinfo=UTC)), 120)

    calendar, _ = calendar_of(window, AMSTERDAM, "NL")

    assert (calendar.day == calendar.day[0]).sum() == quarters


def test_public_holidays_are_sundays():
    window = Window(quarter_at(datetime(2026, 4, 26, 22, tzinfo=UTC)), 2 * 96)  # King's Day 2026-04-27 is a Monday
    calendar, holiday = calendar_of(window, AMSTERDAM, "NL")

    kinds = day_class(calendar, holiday)

    assert set(kinds[:96]) == {SUNDAY}
    assert set(kinds[96:]) == {WORKING}
    assert not is_holiday(calendar.day, None).any()


def test_saturdays_are_their_own_kind():
    window = Window(quarter_at(datetime(2026, 6, 5, 22, tzinfo=UTC)), 96)

    calendar, holiday = calendar_of(window, AMSTERDAM, "NL")

    assert set(day_class(calendar, holiday)) == {SATURDAY}


def test_columns_do_not_depend_on_where_the_window_starts():
    _, weather = made_up(days=20)
    settings = ForecastSettings()
    whole = make_design(weather, 0, Window(weather.window.first + 6 * 96, 10 * 96), settings)
    part = make_design(weather, 0, Window(weather.window.first + 12 * 96, 4 * 96), settings)

    np.testing.assert_allclose(whole.columns[6 * 96 :], part.columns, atol=0.02)


def test_a_design_is_made_once():
    _, weather = made_up(days=20)
    designs = Designs(weather, ForecastSettings())

    first = designs.shared(0, weather.window.first // 96, weather.window.first // 96 + 10)

    assert designs.shared(0, weather.window.first // 96, weather.window.first // 96 + 10) is first


def test_a_variable_that_is_hardly_known_is_left_out():
    _, weather = made_up(days=20)
    weather.temperature_c[:, 96:] = np.nan
    window = Window(weather.window.first, 20 * 96)

    design = make_design(weather, 0, window, ForecastSettings(), minimum_known=0.7)

    assert (design.weather[0] == 0).all()
    assert (design.weather[1] != 0).any()


def test_smoothing_forgets_at_its_pace():
    step = smoothed(np.r_[0.0, np.ones(400)], 96.0)

    assert step[96] == pytest.approx(1 - (1 - 1 / 96) ** 96)
    assert step[-1] > 0.98
