"""Open-Meteo: forecasts of any place, and what had been forecast a day before for any past hour.

https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/previous-runs-api: one answer object for one
place, a list of them for several; a missing value is null; a refused request is `{"error": true, "reason": …}`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

import httpx
import msgspec
import numpy as np

from ampacity.errors import Refused, Unreachable
from ampacity.weather.rows import Floats, Moments, WeatherBatch

PLACES_AT_ONCE = 100
TRIES = 3
TOO_MANY, SERVER_FAULT = 429, 500
PREVIOUS_DAY = "_previous_day1"
TEMPERATURE, RADIATION = "temperature_2m", "shortwave_radiation"

Place = tuple[float, float]  # latitude, longitude [degrees]


class OpenMeteoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which Open-Meteo, and what to ask of it."""

    forecast_url: str = "https://api.open-meteo.com/v1/forecast"
    """Where forecasts are; a server of one's own works too."""
    previous_runs_url: str = "https://previous-runs-api.open-meteo.com/v1/forecast"
    """Where past forecasts are."""
    key: str = ""
    """Of a customer; empty: the free service, for non-commercial use."""
    model: str = ""
    """A weather model such as `icon_eu`; empty: the best for each place."""
    wind: str = "wind_speed_10m"
    """The wind that is asked for; `wind_speed_100m` is nearer to what a turbine sees, where the model has it."""
    forecast_days: int = 4
    """How far ahead."""
    timeout_s: float = 20.0
    """How long to wait for an answer."""


class _Answer(msgspec.Struct):
    hourly: dict[str, list[float | None]]
    utc_offset_seconds: int = 0


class _Refusal(msgspec.Struct):
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenMeteo:
    """Fetches over an HTTP client that its owner closes."""

    client: httpx.AsyncClient
    settings: OpenMeteoSettings
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def forecast(self, places: Sequence[Place], now: datetime) -> WeatherBatch:
        """The newest forecast from today on, as known from `now` on.

        Raises:
            Unreachable: no answer, or none that can be read.
            Refused: the request is not accepted; the message holds the reason given.
        """
        days = {"forecast_days": self.settings.forecast_days}
        columns = (TEMPERATURE, RADIATION, self.settings.wind)
        batches = await self._all(self.settings.forecast_url, places, columns, days)
        known_at = np.datetime64(int(now.timestamp()), "s")
        return WeatherBatch.joined([_batch(*b, columns, lambda valid: np.full(len(valid), known_at)) for b in batches])

    async def forecast_of_the_day_before(self, places: Sequence[Place], first: date, last: date) -> WeatherBatch:
        """For the hours of past days what had been forecast 24 h before each.

        Raises:
            Unreachable, Refused: as `forecast`.
        """
        span = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        columns = tuple(name + PREVIOUS_DAY for name in (TEMPERATURE, RADIATION, self.settings.wind))
        batches = await self._all(self.settings.previous_runs_url, places, columns, span)
        day = np.timedelta64(24 * 3600, "s")
        return WeatherBatch.joined([_batch(*b, columns, lambda valid: valid - day) for b in batches])

    async def _all(
        self, url: str, places: Sequence[Place], columns: Sequence[str], extra: dict[str, int] | dict[str, str]
    ) -> list[tuple[Place, _Answer]]:
        found: list[tuple[Place, _Answer]] = []
        for first in range(0, len(places), PLACES_AT_ONCE):
            asked = places[first : first + PLACES_AT_ONCE]
            answers = await self._ask(url, asked, columns, extra)
            if len(answers) != len(asked):
                raise Unreachable(f"{url} answered for {len(answers)} places, {len(asked)} were asked for")
            found += zip(asked, answers, strict=True)
        return found

    async def _ask(
        self, url: str, places: Sequence[Place], columns: Sequence[str], extra: dict[str, int] | dict[str, str]
    ) -> list[_Answer]:
        parameters: dict[str, str | int] = {
            "latitude": ",".join(f"{latitude:.4f}" for latitude, _ in places),
            "longitude": ",".join(f"{longitude:.4f}" for _, longitude in places),
            "hourly": ",".join(columns),
            "wind_speed_unit": "ms",
            "timeformat": "unixtime",
            "timezone": "GMT",
            **extra,
        }
        if self.settings.model:
            parameters["models"] = self.settings.model
        if self.settings.key:
            parameters["apikey"] = self.settings.key
        return _decoded(url, await self._get(url, parameters))

    async def _get(self, url: str, parameters: dict[str, str | int]) -> bytes:
        """The body of a good answer; a busy or broken server is asked again, later each time."""
        told = ""
        for tried in range(TRIES):
            if tried:
                await self.sleep(2.0**tried)
            try:
                answer = await self.client.get(url, params=parameters, timeout=self.settings.timeout_s)
            except httpx.HTTPError as failed:
                told = type(failed).__name__
                continue
            if answer.is_success:
                return answer.content
            told = f"{answer.status_code} {_reason(answer.content)}".strip()
            if answer.status_code != TOO_MANY and answer.status_code < SERVER_FAULT:
                raise Refused(f"{url} refuses the request: {told}")
        raise Unreachable(f"{url} does not answer: {told}")


@asynccontextmanager
async def open_meteo(settings: OpenMeteoSettings) -> AsyncIterator[OpenMeteo]:
    """Open-Meteo with connections of its own."""
    async with httpx.AsyncClient() as client:
        yield OpenMeteo(client=client, settings=settings)


def _decoded(url: str, body: bytes) -> list[_Answer]:
    try:
        found = msgspec.json.decode(body, type=_Answer | list[_Answer])
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise Unreachable(f"{url} does not answer with weather: {wrong} ({body[:60]!r})") from wrong
    answers = found if isinstance(found, list) else [found]
    for answer in answers:
        lengths = {name: len(column) for name, column in answer.hourly.items()}
        if "time" not in lengths or len(set(lengths.values())) > 1:
            raise Unreachable(f"{url} answers with columns of different lengths: {lengths}")
    return answers


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).reason
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ""


def _batch(
    place: Place, answer: _Answer, columns: Sequence[str], available: Callable[[Moments], Moments]
) -> WeatherBatch:
    valid = np.array(answer.hourly["time"], np.int64).astype("datetime64[s]")
    temperature, radiation, wind = (_column(answer, name, len(valid)) for name in columns)
    return WeatherBatch(
        available_at=available(valid),
        valid_at=valid,
        latitude=np.full(len(valid), place[0]),
        longitude=np.full(len(valid), place[1]),
        temperature_c=temperature,
        global_radiation_w_m2=radiation,
        wind_speed_m_s=wind,
    )


def _column(answer: _Answer, name: str, count: int) -> Floats:
    """The values, NaN where null or not given."""
    given = answer.hourly.get(name, [None] * count)
    return np.array([np.nan if value is None else value for value in given], np.float64)
