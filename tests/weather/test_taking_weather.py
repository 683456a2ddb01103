"""Weather from a source or a folder ends in the database, each issue kept."""

import asyncio
from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import pytest
from test_open_meteo import JSON, NOW, T0, answer, serving

from ampacity.app.session import Store
from ampacity.app.settings import Settings, WeatherSection
from ampacity.app.weather_intake import WeatherRounds, read_weather_file, take_weather
from ampacity.errors import NotReady, Unsuitable
from ampacity.network import Element, ElementId, Network
from ampacity.operations.fetch_weather import fetch_weather, weather_places
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import Window, quarter_at
from ampacity.weather import WeatherBatch

HEADER = "available_at,valid_at,latitude,longitude,temperature_c,global_radiation_w_m2,wind_speed_m_s\n"
ROW = "2026-05-01T00:00:00Z,2026-05-01T03:00:00Z,52.1,5.3,11.5,70,3\n"


def network(*places):
    elements = [
        Element(
            element_id=ElementId(f"e{i}"), kind="cable", parent_id=None, nominal_voltage_v=400.0, rated_current_a=100.0,
            rated_power_va=None, phases=(1, 2, 3), latitude=latitude, longitude=longitude,
        )
        for i, (latitude, longitude) in enumerate(places)
    ]  # fmt: skip
    return Network.of(elements, [], [])


def test_near_places_share_their_weather():
    assert weather_places(network((52.11, 5.32), (52.09, 5.28), (53.0, 6.3), (None, None))) == [
        (52.1, 5.3),
        (53.0, 6.3),
    ]


async def test_every_fetched_issue_is_kept(pool):
    grid = PostgresGrid(pool)
    await store_network(grid, network((52.1, 5.3)))
    later = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)
    warmer = answer()
    warmer["hourly"]["temperature_2m"] = [20.0] * 4

    async with serving((200, JSON, answer()), (200, JSON, warmer)) as (source, _, _):
        first = await fetch_weather(source, grid=grid, now=NOW)
        second = await fetch_weather(source, grid=grid, now=later)

    window = Window(quarter_at(datetime.fromtimestamp(T0, UTC)), 4)
    before = await grid.weather(window, NOW)
    after = await grid.weather(window, later)
    assert first == second == 4
    assert before.temperature_c[0, 0] == pytest.approx(8.1)
    assert after.temperature_c[0, 0] == pytest.approx(20.0)


async def test_past_forecasts_come_along_when_asked(pool):
    grid = PostgresGrid(pool)
    await store_network(grid, network((52.1, 5.3)))

    async with serving((200, JSON, answer()), (200, JSON, answer(suffix="_previous_day1"))) as (source, asked, _):
        added = await fetch_weather(source, grid=grid, now=NOW, since=date(2026, 4, 30))

    assert added == 8
    assert asked[1]["start_date"] == "2026-04-30"


async def test_files_of_a_drop_folder_are_taken_in(pool, tmp_path):
    (tmp_path / "today.csv").write_text(HEADER + ROW)
    (tmp_path / "wrong.csv").write_text(HEADER + ROW.replace("11.5", "900"))
    store = SimpleNamespace(grid=PostgresGrid(pool))

    told = await take_weather(store, Settings(weather=WeatherSection(drop_folder=str(tmp_path))))

    assert told == ["today.csv: 1 values added", "wrong.csv: refused, the reasons lie beside it"]
    assert (tmp_path / "done" / "today.csv").exists()
    assert "900" in (tmp_path / "refused" / "wrong.csv.reasons.txt").read_text()


async def test_the_command_asks_the_service_that_is_set(pool):
    grid = PostgresGrid(pool)
    await store_network(grid, network((52.1, 5.3)))
    async with serving((200, JSON, answer())) as (source, _, _):
        settings = Settings(weather=WeatherSection(source="open-meteo"), open_meteo=source.settings)

        told = await take_weather(SimpleNamespace(grid=grid), settings)

    assert told == ["Open-Meteo: 4 values added"]


async def test_a_server_fetches_once_in_an_interval_and_notes_it(pool):
    store = Store(pool)
    await store_network(store.grid, network((52.1, 5.3)))
    async with serving((200, JSON, answer())) as (source, asked, _):
        settings = Settings(weather=WeatherSection(source="open-meteo"), open_meteo=source.settings)
        rounds, another = (WeatherRounds(store=store, settings=settings) for _ in range(2))

        assert await rounds.round("open-meteo")
        assert not await another.round("open-meteo")

    (noted,) = await store.weather_fetches.all()
    assert len(asked) == 1
    assert noted.values_added == 4
    assert noted.succeeded_at == noted.tried_at
    assert (noted.failures, noted.failure) == (0, "")
    issued = await pool.fetch("select distinct available_at from weather_value")
    assert abs((issued[0]["available_at"] - noted.tried_at).total_seconds()) < 5


async def test_a_failed_fetch_is_noted_with_its_reason_and_made_good_by_the_next(pool):
    store = Store(pool)
    await store_network(store.grid, network((52.1, 5.3)))
    refusal = {"error": True, "reason": "Latitude must be in range of -90 to 90"}
    async with serving((400, JSON, refusal), (200, JSON, answer())) as (source, _, _):
        settings = Settings(weather=WeatherSection(source="open-meteo", every_min=1e-6), open_meteo=source.settings)
        rounds = WeatherRounds(store=store, settings=settings)

        await rounds.round("open-meteo")
        (failed,) = await store.weather_fetches.all()
        await rounds.round("open-meteo")

    (noted,) = await store.weather_fetches.all()
    assert failed.succeeded_at is None
    assert failed.failures == 1
    assert "Latitude must be in range" in failed.failure
    assert (noted.failures, noted.values_added) == (0, 4)


async def test_rounds_go_on_by_themselves_and_end_where_there_is_no_source(pool):
    store = Store(pool)
    await store_network(store.grid, network((52.1, 5.3)))
    await asyncio.wait_for(WeatherRounds(store=store, settings=Settings()).run(), 5)
    async with serving((500, JSON, {}), (200, JSON, answer())) as (source, asked, _):
        settings = Settings(weather=WeatherSection(source="open-meteo", every_min=0.001), open_meteo=source.settings)
        task = asyncio.create_task(WeatherRounds(store=store, settings=settings).run())
        async with asyncio.timeout(30):
            while not await pool.fetchval("select count(*) from weather_value"):  # noqa: ASYNC110  # no event tells of a row
                await asyncio.sleep(0.05)
        task.cancel()

    assert len(asked) >= 2


def test_without_a_source_there_is_nothing_to_take():
    with pytest.raises(NotReady, match="no weather source is set"):
        asyncio.run(take_weather(SimpleNamespace(grid=None), Settings()))


def test_a_file_of_any_name_is_read_or_refused(tmp_path):
    (tmp_path / "x.csv").write_text(HEADER + ROW)
    (tmp_path / "y.csv").write_text("a,b\n1,2\n")

    assert read_weather_file(tmp_path / "x.csv").temperature_c.tolist() == [11.5]
    with pytest.raises(Unsuitable):
        read_weather_file(tmp_path / "y.csv")


async def store_network(grid, given):
    nothing = SimpleNamespace(window=Window(0, 0), load_w=np.zeros((len(given.elements), 3, 0), np.float32))
    no_groups = SimpleNamespace(window=Window(0, 0), load_w=np.zeros((0, 3, 0), np.float32))
    empty = np.zeros(0)
    never = np.zeros(0, "datetime64[s]")
    rows = WeatherBatch(
        available_at=never, valid_at=never, latitude=empty, longitude=empty, temperature_c=empty,
        global_radiation_w_m2=empty, wind_speed_m_s=empty,
    )  # fmt: skip
    everything = SimpleNamespace(network=given, measurements=nothing, group_measurements=no_groups, weather=rows)
    await grid.take_in(everything, corrected_at=NOW)
