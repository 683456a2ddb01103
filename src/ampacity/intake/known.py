"""The weather of a folder as it was known at a moment: what a forecast made then could use."""

from datetime import datetime

import numpy as np

from ampacity.forecasting import Weather
from ampacity.forecasting.weather_grid import LONGEST_GAP_S, weather_on_quarters
from ampacity.intake.types import WeatherTable
from ampacity.timegrid import EPOCH, QUARTER_S, Window


def weather_known_at(table: WeatherTable, window: Window, known_at: datetime) -> Weather:
    """All places on start-stamped quarters; of several issues the newest one known at `known_at` holds.

    A row without `available_at` counts as known beforehand, and as the oldest issue; the result says so (`perfect`).
    """
    first_s, end_s = window.first * QUARTER_S - LONGEST_GAP_S, window.end * QUARTER_S + LONGEST_GAP_S
    valid_s = table.valid_at.astype("datetime64[s]").astype(np.int64)
    unknown = np.isnat(table.available_at)
    available_s = np.where(unknown, np.iinfo(np.int64).min, table.available_at.astype("datetime64[s]").astype(np.int64))
    rows = np.flatnonzero(
        (valid_s >= first_s) & (valid_s < end_s) & (available_s <= int((known_at - EPOCH).total_seconds()))
    )
    rows = rows[np.argsort(available_s[rows], kind="stable")]
    places, cell = np.unique(np.stack([table.latitude, table.longitude], axis=1), axis=0, return_inverse=True)
    on_quarters = weather_on_quarters(
        window,
        len(places),
        cell.reshape(-1)[rows],
        valid_s[rows],
        {
            "temperature_c": table.temperature_c[rows],
            "global_radiation_w_m2": table.global_radiation_w_m2[rows],
            "wind_speed_m_s": table.wind_speed_m_s[rows],
        },
    )
    return Weather(
        window=window,
        latitude=places[:, 0],
        longitude=places[:, 1],
        temperature_c=on_quarters["temperature_c"],
        global_radiation_w_m2=on_quarters["global_radiation_w_m2"],
        wind_speed_m_s=on_quarters["wind_speed_m_s"],
        perfect=bool(unknown[rows].any()),
    )
