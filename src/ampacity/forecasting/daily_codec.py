"""A daily forecast as bytes and back, exactly."""

import io

import numpy as np

from ampacity.forecasting.predict import DailyForecast
from ampacity.timegrid import QUARTERS_PER_DAY


def dump_daily(daily: DailyForecast) -> bytes:
    """The daily forecast of a block as bytes."""
    arrays = {"day": np.array(daily.day), "load": daily.load, "lacks": np.packbits(daily.lacks, axis=1)}
    if daily.weather_free is not None:
        arrays["weather_free"] = daily.weather_free
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def load_daily(blob: bytes) -> DailyForecast:
    """The daily forecast that `dump_daily` wrote, to the bit."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    quarters = (arrays["load"].shape[1] - 1) * QUARTERS_PER_DAY
    return DailyForecast(
        day=int(arrays["day"]),
        load=arrays["load"],
        lacks=np.unpackbits(arrays["lacks"], axis=1, count=quarters).astype(bool),
        weather_free=arrays.get("weather_free"),
    )
