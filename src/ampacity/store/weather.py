"""Weather as it was known at a moment."""

from datetime import datetime, timedelta

import numpy as np

from ampacity.forecasting import Weather
from ampacity.forecasting.weather_grid import LONGEST_GAP_S, weather_on_quarters
from ampacity.store.pool import Connection
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_VARIABLES = ("temperature_c", "global_radiation_w_m2", "wind_speed_m_s")


async def read_weather(connection: Connection, window: Window, known_at: datetime) -> Weather:
    """All cells on start-stamped quarters; of several issues the newest one known at `known_at` holds."""
    cells = await connection.fetch(sql("weather_cells"))
    index = {r["cell_no"]: i for i, r in enumerate(cells)}
    around = timedelta(seconds=LONGEST_GAP_S)
    rows = await connection.fetch(
        sql("weather_values"), window.start_moment - around, window.end_moment + around, known_at
    )
    values = {name: np.array([np.nan if r[name] is None else r[name] for r in rows], float) for name in _VARIABLES}
    on_quarters = weather_on_quarters(
        window,
        len(cells),
        np.array([index[r["cell_no"]] for r in rows], np.int64),
        np.array([int(r["valid_at"].timestamp()) for r in rows], np.int64),
        values,
    )
    return Weather(
        window=window,
        latitude=np.array([r["latitude"] for r in cells], float),
        longitude=np.array([r["longitude"] for r in cells], float),
        temperature_c=on_quarters["temperature_c"],
        global_radiation_w_m2=on_quarters["global_radiation_w_m2"],
        wind_speed_m_s=on_quarters["wind_speed_m_s"],
        perfect=any(r["available_at"] is None for r in rows),
    )
