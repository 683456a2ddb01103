"""Fetch the weather of the grid's places and keep every issue of it."""

from datetime import date, datetime

from ampacity.forecasting import WeatherRows
from ampacity.network import Network
from ampacity.ports import GridStore, WeatherSource

CELL_DEGREES = 0.1  # places this near share their weather


async def fetch_weather(source: WeatherSource, *, grid: GridStore, now: datetime, since: date | None = None) -> int:
    """Store the newest forecast, and from `since` on what had been forecast a day before; gives the values added.

    Raises:
        Unreachable, Refused: the source does not answer, or refuses.
    """
    places = weather_places(await grid.network())
    if not places:
        return 0
    added = await keep_weather(await source.forecast(places, now), grid=grid)
    if since is not None:
        past = await source.forecast_of_the_day_before(places, since, now.date())
        added += await keep_weather(past, grid=grid)
    return added


async def keep_weather(rows: WeatherRows, *, grid: GridStore) -> int:
    """Store rows of weather, each with the time at which it became known; gives the values added."""
    return await grid.take_in_weather(rows)


def weather_places(network: Network) -> list[tuple[float, float]]:
    """The places of the grid's elements, those within a tenth of a degree as one."""
    places = {
        (round(e.latitude / CELL_DEGREES) * CELL_DEGREES, round(e.longitude / CELL_DEGREES) * CELL_DEGREES)
        for e in network.elements
        if e.latitude is not None and e.longitude is not None
    }
    return sorted((round(latitude, 4), round(longitude, 4)) for latitude, longitude in places)
