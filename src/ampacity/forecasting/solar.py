"""Where the sun stands."""

import numpy as np

from ampacity.forecasting.types import Floats, Ints
from ampacity.timegrid import QUARTER_S

_J2000_S = 946_728_000  # 2000-01-01T12:00Z


def sun_elevation_deg(quarters: Ints, latitude: float, longitude: float) -> Floats:
    """Geometric elevation of the sun at the middle of each quarter [degrees], to about 0.02°.

    The low-precision formulae of the Astronomical Almanac (ecliptic longitude from mean longitude and mean anomaly,
    Greenwich mean sidereal time), as in Michalsky 1988, doi:10.1016/0038-092X(88)90045-X.
    """
    days = (quarters * QUARTER_S + QUARTER_S / 2 - _J2000_S) / 86_400
    anomaly = np.radians((357.528 + 0.9856003 * days) % 360)
    mean_longitude = (280.460 + 0.9856474 * days) % 360
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * days)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    sidereal_h = (6.697375 + 0.0657098242 * days + ((quarters * QUARTER_S + QUARTER_S / 2) % 86_400) / 3600) % 24
    hour_angle = np.radians(15 * sidereal_h + longitude) - right_ascension
    phi = np.radians(latitude)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    found: Floats = np.degrees(np.arcsin(np.clip(sine, -1, 1)))
    return found


def clear_sky_w_m2(quarters: Ints, latitude: float, longitude: float) -> Floats:
    """Global radiation under a clear sky, roughly: 1098 s exp(-.057 / s), s the sine of the elevation.

    Haurwitz 1945, doi:10.1175/1520-0469(1945)002<0154:IIRTCA>2.0.CO;2.
    """
    sine = np.maximum(np.sin(np.radians(sun_elevation_deg(quarters, latitude, longitude))), 1e-3)
    found: Floats = np.where(sine > 1e-3, 1098 * sine * np.exp(-0.057 / sine), 0.0)
    return found
