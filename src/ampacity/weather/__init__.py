"""Where weather comes from: one file per source, each giving rows with the time at which they became known."""

from ampacity.weather.open_meteo import OpenMeteo, OpenMeteoSettings, open_meteo
from ampacity.weather.rows import WeatherBatch

__all__ = ["OpenMeteo", "OpenMeteoSettings", "WeatherBatch", "open_meteo"]
