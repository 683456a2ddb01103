"""The files that people bring: read, checked as a whole, every fault listed by file, line and column."""

from ampacity.intake.folder import read_folder
from ampacity.intake.types import InputFolder, LoadSeries, WeatherTable

__all__ = ["InputFolder", "LoadSeries", "WeatherTable", "read_folder"]
