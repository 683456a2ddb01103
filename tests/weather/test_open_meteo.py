"""Open-Meteo's answers, recorded in their shape and served on loopback."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest

from ampacity.errors import Refused, Unreachable
from ampacity.forecasting.weather_rows import archive
from ampacity.timegrid import Window, quarter_at
from ampacity.weather import OpenMeteo, OpenMeteoSettings

NOW = datetime(2026, 5, 1, 9, 10, tzinfo=UTC)
T0 = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())


def answer(latitude=52.1, suffix="", hours=4, wind="wind_speed_10m"):
    """One place, as the service writes it: snapped coordinates, units, a null where a value is missing."""
    return {
        "latitude": latitude + 0.0007, "longitude": 5.2996, "generationtime_ms": 0.06, "utc_offset_seconds": 0,
        "timezone": "GMT", "timezone_abbreviation": "GMT", "elevation": 4.0,
        "hourly_units": {"time": "unixtime", "temperature_2m": "°C", "shortwave_radiation": "W/m²", wind: "m/s"},
        "hourly": {
            "time": [T0 + 3600 * h for h in range(hours)],
            "temperature_2m" + suffix: [8.1 + h for h in range(hours)],
            "shortwave_radiation" + suffix: [0.0, None, 40.0, 80.0][:hours],
            wind + suffix: [3.4, 3.6, 4.0, 4.2][:hours],
        },
    }  # fmt: skip


@asynccontextmanager
async def serving(*bodies):
    """A server on loopback that gives each answer in turn, the last one again and again; with what it was asked."""
    asked = []

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ")[1].decode()
        asked.append({k: v[0] for k, v in parse_qs(urlsplit(target).query).items()})
        status, kind, body = bodies[min(len(asked), len(bodies)) - 1]
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        lines = (
            f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(lines.encode() + data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/forecast"
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async with httpx.AsyncClient(trust_env=False) as client:
        settings = OpenMeteoSettings(forecast_url=url, previous_runs_url=url, key="k", model="icon_eu")
        yield OpenMeteo(client=client, settings=settings, sleep=sleep), asked, slept
    server.close()
    await server.wait_closed()


JSON = "application/json; charset=utf-8"


async def test_one_place_is_answered_by_an_object():
    async with serving((200, JSON, answer())) as (source, asked, _):
        found = await source.forecast([(52.1, 5.3)], NOW)

    assert len(found) == 4
    assert found.latitude.tolist() == [52.1] * 4  # as asked, not as snapped: a place stays the same cell
    assert np.isnan(found.global_radiation_w_m2[1])
    assert found.available_at[0] == np.datetime64("2026-05-01T09:10:00")
    assert asked[0] == {
        "latitude": "52.1000", "longitude": "5.3000", "hourly": "temperature_2m,shortwave_radiation,wind_speed_10m",
        "wind_speed_unit": "ms", "timeformat": "unixtime", "timezone": "GMT", "forecast_days": "4",
        "models": "icon_eu", "apikey": "k",
    }  # fmt: skip


async def test_several_places_are_answered_by_a_list():
    async with serving((200, JSON, [answer(52.1), answer(53.0)])) as (source, _, _):
        found = await source.forecast([(52.1, 5.3), (53.0, 6.3)], NOW)

    assert found.latitude.tolist() == [52.1] * 4 + [53.0] * 4


async def test_past_forecasts_were_known_a_day_before():
    async with serving((200, JSON, answer(suffix="_previous_day1"))) as (source, asked, _):
        found = await source.forecast_of_the_day_before([(52.1, 5.3)], date(2026, 5, 1), date(2026, 5, 1))

    assert (found.valid_at - found.available_at == np.timedelta64(24, "h")).all()
    assert found.temperature_c[0] == 8.1
    assert asked[0]["hourly"].startswith("temperature_2m_previous_day1,")
    assert (asked[0]["start_date"], asked[0]["end_date"]) == ("2026-05-01", "2026-05-01")


async def test_radiation_is_that_of_the_hour_before():
    async with serving((200, JSON, answer())) as (source, _, _):
        rows = await source.forecast([(52.1, 5.3)], NOW)

    quarter = quarter_at(datetime(2026, 5, 1, 2, tzinfo=UTC))
    weather = archive(rows).known_at(quarter_at(NOW) + 1, Window(quarter, 4))
    assert weather.global_radiation_w_m2[0].tolist() == [80.0] * 4  # stamped 03:00
    assert weather.temperature_c[0, 0] == pytest.approx(10.1)


async def test_a_refused_request_says_why():
    body = {"error": True, "reason": "Data corrupted at path ''. Cannot initialize WeatherModel from invalid value x."}
    async with serving((400, JSON, body)) as (source, asked, _):
        with pytest.raises(Refused, match="Cannot initialize WeatherModel"):
            await source.forecast([(52.1, 5.3)], NOW)

    assert len(asked) == 1


async def test_a_busy_service_is_asked_again_later():
    busy = {"error": True, "reason": "Minutely API request limit exceeded. Please try again in one minute."}
    async with serving((429, JSON, busy), (503, "text/html", "<html>"), (200, JSON, answer())) as (
        source,
        asked,
        slept,
    ):
        found = await source.forecast([(52.1, 5.3)], NOW)

    assert len(found) == 4
    assert len(asked) == 3
    assert slept == [2.0, 4.0]


async def test_a_service_that_stays_busy_is_unreachable():
    async with serving((429, JSON, {"error": True, "reason": "Daily limit exceeded."})) as (source, asked, _):
        with pytest.raises(Unreachable, match="429 Daily limit exceeded"):
            await source.forecast([(52.1, 5.3)], NOW)

    assert len(asked) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<!doctype html><title>Login</title>", "does not answer with weather"),
        ({"hourly": {"time": [T0], "temperature_2m": ["warm"]}}, "does not answer with weather"),
        ({"hourly": {"time": [T0], "temperature_2m": [1.0, 2.0]}}, "different lengths"),
        ([answer(), answer()], "answered for 2 places, 1 were asked for"),
    ],
)
async def test_what_is_no_weather_is_told(body, said):
    async with serving((200, "text/html", body)) as (source, _, _):
        with pytest.raises(Unreachable, match=said):
            await source.forecast([(52.1, 5.3)], NOW)


async def test_a_variable_that_a_model_lacks_is_unknown():
    body = answer()
    del body["hourly"]["wind_speed_10m"]
    async with serving((200, JSON, body)) as (source, _, _):
        found = await source.forecast([(52.1, 5.3)], NOW)

    assert np.isnan(found.wind_speed_m_s).all()


async def test_a_server_that_is_gone_is_unreachable():
    async with serving((200, JSON, answer())) as (source, _, _):
        gone = OpenMeteo(
            client=source.client, settings=OpenMeteoSettings(forecast_url="http://127.0.0.1:9/"), sleep=source.sleep
        )
        with pytest.raises(Unreachable, match="ConnectError"):
            await gone.forecast([(52.1, 5.3)], NOW)
