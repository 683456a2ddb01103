"""Weather that behaves: seasons and days, drifting temperature, clouds that stay a while, sun behind them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.timegrid import QUARTERS_PER_DAY, Window

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sky:
    """The weather of one place per quarter hour, shape (T,) each."""

    temperature_c: Floats
    global_radiation_w_m2: Floats
    wind_speed_m_s: Floats


def sky_over(window: Window, latitude: float, longitude: float, rng: np.random.Generator) -> Sky:
    """Weather of a temperate climate.

    Clear-sky radiation is 910 sin(h) - 30 W/m² and a cloud cover N (0 to 1) lets 1 - 0.75 N^3.4 of it through
    (Kasten and Czeplak 1980, doi:10.1016/0038-092X(80)90391-6).
    """
    day = window.quarters() / QUARTERS_PER_DAY
    sine = sine_of_sun(window, latitude, longitude)
    cloud = 1.0 / (1.0 + np.exp(-1.6 * wandering(window.count, 10 * 4, rng) - 0.4))
    clear_w_m2 = np.maximum(910.0 * sine - 30.0, 0.0)
    season = np.cos(2 * np.pi * (day - 200.0) / 365.25) * np.sign(latitude or 1.0)
    daily = np.cos(2 * np.pi * (day + longitude / 360.0 - 15.0 / 24.0)) * (1.2 - 0.7 * cloud)
    return Sky(
        temperature_c=10.5 + 7.5 * season + 3.5 * daily + 3.0 * wandering(window.count, 60 * 4, rng),
        global_radiation_w_m2=clear_w_m2 * (1.0 - 0.75 * cloud**3.4),
        wind_speed_m_s=4.5 * np.exp(0.5 * wandering(window.count, 18 * 4, rng)),
    )


def sine_of_sun(window: Window, latitude: float, longitude: float) -> Floats:
    """Sine of the sun's height at the middle of each quarter, from its declination and hour angle."""
    day = (window.quarters() + 0.5) / QUARTERS_PER_DAY
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day % 365.25 + 10.0) / 365.25)
    hour_angle = 2 * np.pi * (day % 1.0 - 0.5 + longitude / 360.0)
    phi = np.radians(latitude)
    sine: Floats = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return sine


def wandering(count: int, memory: float, rng: np.random.Generator) -> Floats:
    """An autoregressive series, mean 0 and deviation 1, that forgets over `memory` steps, shape (count,)."""
    keep = np.exp(-1.0 / memory)
    shocks = rng.standard_normal(count) * np.sqrt(1.0 - keep**2)
    value = float(rng.standard_normal())
    series = np.empty(count)
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        series[i] = value
    return series
