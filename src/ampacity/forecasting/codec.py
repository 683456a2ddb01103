"""A model as bytes and back: one blob per block of elements."""

import io
import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable
from ampacity.forecasting.calibration import Calibration
from ampacity.forecasting.clock import ClockMoves
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.model import ForecastModel
from ampacity.forecasting.prior import Prior
from ampacity.forecasting.tracking import Track
from ampacity.forecasting.types import ForecastSettings

FORMAT = 1
Array = NDArray[np.generic]
HALVED = {"size", "histogram", "newest", "loss", "level", "profile", "hours_0"}
HALF_LIMIT = 60_000.0
WEATHER_FREE = "weather_free"
_OWN = ("source", "element", "phase", "scale_w", "cell", "group")


def dump_model(model: ForecastModel) -> bytes:
    """The model as bytes; what is only a size, a count or a level in 16 bits, regression coefficients in 32."""
    settings = {**asdict(model.settings), "zone": model.settings.zone.key}
    ends = {name: fitted.end_day for name, fitted in model.experts.items()}
    head = {
        "format": FORMAT,
        "settings": settings,
        "end_day": model.end_day,
        "learnt_day": model.learnt_day,
        "ends": ends,
    }
    arrays: dict[str, Array] = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    arrays |= {f"model/{name}": getattr(model, name) for name in _OWN}
    arrays |= {f"prior/{name}": value for name, value in vars(model.prior).items()}
    arrays |= {f"track/{name}": value for name, value in vars(model.track).items() if name != "calibration"}
    arrays |= {f"calibration/{name}": value for name, value in vars(model.track.calibration).items()}
    for name, fitted in model.experts.items():
        arrays |= {f"series/{name}/{key}": value for key, value in fitted.series.items()}
        arrays |= {f"shared/{name}/{key}": value for key, value in fitted.shared.items()}
    arrays |= {f"clock/{name}": value for name, value in vars(model.clock).items()}
    if model.weather_free is not None:
        arrays[WEATHER_FREE] = np.frombuffer(dump_model(model.weather_free), np.uint8)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **{name: _small(name, value) for name, value in arrays.items()})
    return out.getvalue()


def load_model(blob: bytes) -> ForecastModel:
    """The model that `dump_model` wrote.

    Raises:
        Unsuitable: it is of another format.
    """
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        arrays = {name: _whole(stored[name]) for name in stored.files}
    head = json.loads(arrays["head"].tobytes())
    if head["format"] != FORMAT:
        raise Unsuitable(f"the model is of format {head['format']}, this version reads {FORMAT}: fit it anew")
    experts = {
        name: Fitted(
            series=_under(arrays, f"series/{name}/"), shared=_under(arrays, f"shared/{name}/"), end_day=int(end_day)
        )
        for name, end_day in head["ends"].items()
    }
    return ForecastModel(
        settings=_settings(head["settings"]),
        end_day=int(head["end_day"]),
        learnt_day=int(head["learnt_day"]),
        experts=experts,
        track=Track(calibration=Calibration(**_under(arrays, "calibration/")), **_under(arrays, "track/")),
        prior=Prior(**_under(arrays, "prior/")),
        clock=ClockMoves(**clock)
        if (clock := _under(arrays, "clock/"))
        else ClockMoves.none(arrays["model/source"].size),
        weather_free=load_model(arrays[WEATHER_FREE].tobytes()) if WEATHER_FREE in arrays else None,
        **_under(arrays, "model/"),
    )


def _settings(stored: dict[str, Any]) -> ForecastSettings:
    """The stored settings; what a model of an earlier version does not name has its default."""
    given = {**stored, "zone": ZoneInfo(stored["zone"])}
    given |= {name: tuple(stored[name]) for name in ("experts", "weather_free_experts") if name in stored}
    return ForecastSettings(**given)


def _small(name: str, value: Array) -> Array:
    if name.rsplit("/", 1)[-1] not in HALVED:
        return value
    return np.clip(value, -HALF_LIMIT, HALF_LIMIT).astype(np.float16)


def _whole(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype == np.float16 else value


def _under(arrays: dict[str, Array], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
