"""The columns that all series of a weather cell share: calendar and weather.

They are the same for every element of the cell and for every block of elements.
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.calendar import calendar_of, day_class
from ampacity.forecasting.solar import clear_sky_w_m2
from ampacity.forecasting.types import NO_CELL, WEATHER_VARIABLES, Bools, Floats, ForecastSettings, Ints, Weather
from ampacity.timegrid import QUARTERS_PER_DAY, Window

HEATING_BELOW_C, COOLING_ABOVE_C = 16.0, 21.0
LEAD_IN = 5 * QUARTERS_PER_DAY  # smoothed weather has forgotten its start by then
DAY_HARMONICS, CLASS_HARMONICS, WEATHER_HARMONICS = 10, 5, 3


@dataclass(frozen=True, kw_only=True)
class Design:
    """Shared inputs of one weather cell over a window of T quarters."""

    window: Window
    columns: Floats  # (T, p) float32
    day_class: Ints  # (T,)
    weekday: Ints  # (T,) local, Monday 0
    weather: Floats  # (3, T) temperature, radiation, wind; holes filled, 0 where the cell has none
    known: Bools  # (3, T) where the weather was known


def make_design(
    weather: Weather, cell: int, window: Window, settings: ForecastSettings, *, minimum_known: float = 0.0
) -> Design:
    """Calendar and weather columns of a window; a variable known in less than that share of it is left out.

    Where the radiation is, the sun's height stands in for it.
    """
    lead_in = Window(window.first - LEAD_IN, window.count + LEAD_IN)
    values, known = _weather_of(weather, cell, lead_in)
    values[known[:, LEAD_IN:].mean(axis=1) < minimum_known] = 0
    if cell != NO_CELL and not values[1].any():
        values[1] = clear_sky_w_m2(lead_in.quarters(), weather.latitude[cell], weather.longitude[cell])
    calendar, holiday = calendar_of(lead_in, settings.zone, settings.country)
    classes = day_class(calendar, holiday)
    weekday = np.where(holiday, 6, calendar.weekday)
    day = 2 * np.pi * calendar.hour / 24
    columns = [*_calendar_columns(day, weekday), *_weather_columns(values, day)]
    inside = slice(LEAD_IN, None)
    return Design(
        window=window,
        columns=np.stack(columns, axis=1)[inside].astype(np.float32),
        day_class=classes[inside],
        weekday=weekday[inside],
        weather=values[:, inside].astype(np.float32),
        known=known[:, inside],
    )


def smoothed(values: Floats, memory: float) -> Floats:
    """Exponential smoothing along the last axis with that many steps of memory.

    >>> smoothed(np.array([0.0, 1.0, 1.0]), 2.0).round(2)
    array([0.  , 0.5 , 0.75])
    """
    out = np.empty_like(values)
    gain, state = 1 / memory, values[..., 0]
    for t in range(values.shape[-1]):
        state = state + gain * (values[..., t] - state)
        out[..., t] = state
    return out


def _harmonics(day: Floats, count: int) -> list[Floats]:
    return [wave(k * day) for k in range(1, count + 1) for wave in (np.sin, np.cos)]


def _calendar_columns(day: Floats, weekday: Ints) -> list[Floats]:
    one = np.ones_like(day)
    columns = [one, *_harmonics(day, DAY_HARMONICS)]
    shape = [one, *_harmonics(day, CLASS_HARMONICS)]
    for kind in (5, 6, 0, 4):
        columns += [column * (weekday == kind) for column in shape]
    return columns


def column_groups() -> list[tuple[str, str]]:
    """Name and group of each column of a design, in order."""
    day = ["mean", *_wave_names(DAY_HARMONICS)]
    found = [(f"day {name}", "time of day") for name in day]
    for kind in ("saturday", "sunday", "monday", "friday"):
        found += [(f"{kind} {name}", "day of week") for name in ("mean", *_wave_names(CLASS_HARMONICS))]
    for name, group in (
        ("temperature", "temperature"),
        ("heating", "temperature"),
        ("cooling", "temperature"),
        ("radiation", "radiation"),
    ):
        found += [(f"{name} {wave}", group) for wave in ("mean", *_wave_names(WEATHER_HARMONICS))]
    return [
        *found,
        ("radiation squared", "radiation"),
        *((f"wind {part}", "wind") for part in ("speed", "cubed", "ramp")),
    ]


def _wave_names(count: int) -> list[str]:
    return [f"{wave} {k}/day" for k in range(1, count + 1) for wave in ("sin", "cos")]


def _weather_columns(values: Floats, day: Floats) -> list[Floats]:
    """Temperature with inertia, radiation and wind; those that vary over the day times its harmonics."""
    temperature, radiation, wind = values[0], values[1] / 1000, values[2] / 10
    shape = [np.ones_like(day), *_harmonics(day, WEATHER_HARMONICS)]
    columns: list[Floats] = []
    for driver in (
        temperature / 10,
        smoothed(np.maximum(HEATING_BELOW_C - temperature, 0) / 10, 96.0) * bool(temperature.any()),
        smoothed(np.maximum(temperature - COOLING_ABOVE_C, 0) / 10, 96.0),
        radiation,
    ):
        columns += [driver * wave for wave in shape]
    ramp = np.clip((values[2] / 12) ** 3, 0, 1.2)
    return [*columns, radiation**2, wind, wind**3, ramp]


def _weather_of(weather: Weather, cell: int, window: Window) -> tuple[Floats, Bools]:
    """The cell's variables over a window (3, T): holes filled, and where they were known."""
    values = np.full((3, window.count), np.nan)
    if cell != NO_CELL:
        first, end = max(window.first, weather.window.first), min(window.end, weather.window.end)
        if first < end:
            for i, name in enumerate(WEATHER_VARIABLES):
                source = getattr(weather, name)[cell]
                values[i, first - window.first : end - window.first] = source[
                    first - weather.window.first : end - weather.window.first
                ]
    known = np.isfinite(values)
    for i in range(3):
        values[i] = _filled(values[i], known[i])
    return values, known


def _filled(values: Floats, known: Bools) -> Floats:
    """Holes filled: by the same quarter of the nearest known day, else the mean; 0 where nothing is known."""
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    at = np.arange(len(values))
    filled = np.where(known, values, np.nan)
    for days in (1, -1, 2, -2, 3, -3):
        source = at - days * QUARTERS_PER_DAY
        usable = (source >= 0) & (source < len(values))
        candidate = np.full_like(values, np.nan)
        candidate[usable] = np.where(known, values, np.nan)[source[usable]]
        filled = np.where(np.isnan(filled), candidate, filled)
    still = np.isnan(filled)
    filled[still] = np.interp(at[still], at[known], values[known])
    return filled
