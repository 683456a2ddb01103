"""Forecasts of the non-controllable load: models, calibrated margins, backtest.  Arrays in, arrays out."""

from ampacity.forecasting.codec import dump_model, load_model
from ampacity.forecasting.daily_codec import dump_daily, load_daily
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.fallback import (
    WeeklyExtremes,
    dump_extremes,
    fallback_band,
    load_extremes,
    weekly_extremes,
)
from ampacity.forecasting.fitting import fit
from ampacity.forecasting.learning import update
from ampacity.forecasting.model import ForecastModel
from ampacity.forecasting.outline_codec import dump_outline, load_outline
from ampacity.forecasting.predict import DailyForecast, Outline, days_of_window, forecast_days, predict
from ampacity.forecasting.types import (
    ForecastSettings,
    ForecastSource,
    LoadForecast,
    LoadHistory,
    Weather,
)
from ampacity.forecasting.weather_rows import WeatherRows

__all__ = [
    "DailyForecast",
    "Designs",
    "ForecastModel",
    "ForecastSettings",
    "ForecastSource",
    "LoadForecast",
    "LoadHistory",
    "Outline",
    "Weather",
    "WeatherRows",
    "WeeklyExtremes",
    "days_of_window",
    "dump_daily",
    "dump_extremes",
    "dump_model",
    "dump_outline",
    "fallback_band",
    "fit",
    "forecast_days",
    "load_daily",
    "load_extremes",
    "load_model",
    "load_outline",
    "predict",
    "update",
    "weekly_extremes",
]
