"""The files that people bring: read, checked as a whole, every fault listed by file, line and column."""

from ampacity.intake.bundled import DEMO_DISTRICT, bundled_folder
from ampacity.intake.drop_folder import DropFolder
from ampacity.intake.folder import read_folder
from ampacity.intake.known import weather_known_at
from ampacity.intake.types import InputFolder, LoadSeries, WeatherTable

__all__ = [
    "DEMO_DISTRICT",
    "DropFolder",
    "InputFolder",
    "LoadSeries",
    "WeatherTable",
    "bundled_folder",
    "read_folder",
    "weather_known_at",
]
