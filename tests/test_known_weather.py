"""A forecast sees the weather that was known when it was made, and no later one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ampacity.intake import WeatherTable, weather_known_at
from ampacity.operations.take_in import take_in
from ampacity.simulation import DistrictPlan, district_weather, make_district
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import Window, quarter_at

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
PLAN = DistrictPlan(seed=5, homes=20, cables=2, days=8)


def table(*rows: tuple[str, str, float]) -> WeatherTable:
    """Temperatures of one place: known at, valid at, value."""
    values = np.array([row[2] for row in rows])
    return WeatherTable(
        available_at=np.array([row[0] for row in rows], "datetime64[s]"),
        valid_at=np.array([row[1] for row in rows], "datetime64[s]"),
        latitude=np.full(len(rows), 52.0),
        longitude=np.full(len(rows), 5.0),
        temperature_c=values,
        global_radiation_w_m2=values,
        wind_speed_m_s=values,
    )


def test_the_newest_issue_known_by_then_holds():
    given = table(
        ("2026-01-10T18:00", "2026-01-10T18:00", 9.0),
        ("2026-01-10T06:00", "2026-01-10T18:00", 3.0),
        ("2026-01-09T06:00", "2026-01-10T18:00", 1.0),
    )
    evening = Window(quarter_at(NOON) + 24, 1)

    assert weather_known_at(given, evening, NOON).temperature_c.tolist() == [[3.0]]
    assert weather_known_at(given, evening, NOON - timedelta(days=1)).temperature_c.tolist() == [[1.0]]
    assert np.isnan(weather_known_at(given, evening, NOON - timedelta(days=3)).temperature_c).all()
    assert not weather_known_at(given, evening, NOON).perfect


def test_a_row_of_unknown_issue_is_used_and_said():
    given = table(("NaT", "2026-01-10T18:00", 4.0))

    found = weather_known_at(given, Window(quarter_at(NOON) + 24, 1), NOON - timedelta(days=30))

    assert found.temperature_c.tolist() == [[4.0]]
    assert found.perfect


def test_what_comes_later_changes_nothing():
    given = district_weather(PLAN)
    window = Window(quarter_at(NOON) - 96, 192)
    known = given.available_at <= np.datetime64("2026-01-10T12:00:00")
    early = replace(given, **{name: getattr(given, name)[known] for name in given.__dataclass_fields__})

    found, before = weather_known_at(given, window, NOON), weather_known_at(early, window, NOON)

    np.testing.assert_array_equal(found.temperature_c, before.temperature_c)
    np.testing.assert_array_equal(found.global_radiation_w_m2, before.global_radiation_w_m2)


async def test_a_folder_and_the_store_know_the_same_weather(pool):
    given = make_district(PLAN)
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=PLAN.window.end_moment)
    window = Window(quarter_at(NOON) - 96, 240)

    of_folder, of_store = weather_known_at(given.weather, window, NOON), await grid.weather(window, NOON)

    assert of_folder.perfect == of_store.perfect
    for name in ("latitude", "longitude", "temperature_c", "global_radiation_w_m2", "wind_speed_m_s"):
        np.testing.assert_allclose(
            getattr(of_folder, name), getattr(of_store, name), atol=1e-4
        )  # the store keeps float32
