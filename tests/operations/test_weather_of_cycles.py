"""A cycle says which quarters it forecast without weather, and how old its weather was."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings, ForecastSource
from ampacity.intake import WeatherTable
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.console import PostgresViews
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.quality import QualityStore
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from tests.operations.conftest import DAYS, START, Connected

AT = START + timedelta(days=DAYS)
KNOWN_H = 24


def weather(issued_before: timedelta) -> WeatherTable:
    """Observed over the history, and forecast for a day ahead by one issue of so long before."""
    hours = np.arange(DAYS * 24 + KNOWN_H + 1)
    valid_at = np.datetime64(START.replace(tzinfo=None), "s") + hours * np.timedelta64(3600, "s")
    at, issued = (np.datetime64(moment.replace(tzinfo=None), "s") for moment in (AT, AT - issued_before))
    sun = np.maximum(0, -np.cos(hours / 24 * 2 * np.pi)) * 600
    return WeatherTable(
        available_at=np.where(valid_at <= at, valid_at, issued),
        valid_at=valid_at,
        latitude=np.full(len(hours), 52.0),
        longitude=np.full(len(hours), 5.0),
        temperature_c=8 + 3 * np.sin(hours / 24 * 2 * np.pi),
        global_radiation_w_m2=sun,
        wind_speed_m_s=np.full(len(hours), 4.0),
    )


async def decided(pool, given, issued_before):
    on = CyclePorts(
        grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
        peers=Connected(frozenset({0, 1})), usage=UsageStore(pool),
    )  # fmt: skip
    await take_in(replace(given, weather=weather(issued_before)), grid=on.grid, now=AT)
    record = await run_cycle(AT, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())
    ((_, forecast),) = [kept async for kept in QualityStore(pool).forecasts_of(AT)]
    return record, forecast


async def test_quarters_beyond_the_weather_are_stored_as_forecast_without_it(pool, given):
    record, forecast = await decided(pool, given, timedelta(hours=1))

    known = KNOWN_H * 4
    assert (forecast.source == ForecastSource.MODEL).all()
    assert not forecast.weather_free[:, :, : known - 1].any()
    assert forecast.weather_free[:, :, known + 1 :].all()
    assert record.summary["weather_age_h"] == 1.0
    assert record.summary["weather_free_quarters"] == forecast.weather_free.sum()
    (kept,) = await PostgresViews(pool).kept_forecasts(1, AT, AT)
    assert (kept.weather_free[0] == forecast.weather_free[1]).all()


async def test_weather_that_is_too_old_is_not_used_and_told(pool, given):
    record, forecast = await decided(pool, given, timedelta(hours=50))

    assert (forecast.source == ForecastSource.WEATHER_FREE).all()
    assert forecast.weather_free.all()
    assert "newest issue 50.0 h old (stale at 1 of 1 places: not used)" in record.summary["weather"]


async def test_which_quarters_had_no_weather_cannot_be_changed_unnoticed(pool, given):
    record, _ = await decided(pool, given, timedelta(hours=1))
    stored = await pool.fetchval("select content_hash from decision_chain where decision_id = $1", record.decision_id)
    again = "select decision_content_hash($1)"
    assert await pool.fetchval(again, record.decision_id) == stored

    await pool.execute("update forecast_block set weather_free = null")

    assert await pool.fetchval(again, record.decision_id) != stored


def test_an_age_of_nothing_is_refused():
    with pytest.raises(ValueError, match="weather_stale_after_h"):
        CycleSettings(weather_stale_after_h=0)
