"""Weather as it was known at a moment."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg
import numpy as np

from ampacity.forecasting import Weather
from ampacity.forecasting.weather_grid import LONGEST_GAP_S, weather_on_quarters
from ampacity.ports import Floats
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
        issue_age_s=_issue_age_s(rows, index, known_at),
    )


def _issue_age_s(rows: Sequence[asyncpg.Record], index: Mapping[int, int], known_at: datetime) -> Floats:
    """How old the newest issue is that tells of the time ahead, per cell; NaN where there is none."""
    age_s = np.full(len(index), np.nan)
    for r in rows:  # the newest issue comes last
        if r["valid_at"] > known_at and r["available_at"] is not None:
            age_s[index[r["cell_no"]]] = (known_at - r["available_at"]).total_seconds()
    return age_s
