"""What forecasts need of a model beside the base of the day, as bytes and back, exactly."""

import io

import numpy as np

from ampacity.forecasting.bands import Learnt
from ampacity.forecasting.codec import dump_model, load_model
from ampacity.forecasting.predict import Outline

_MODEL, _LEARNT, _FREE = "model", "learnt/", "weather_free/"


def dump_outline(outline: Outline) -> bytes:
    """The outline of a block's model as bytes."""
    arrays = {_MODEL: np.frombuffer(dump_model(outline.model), np.uint8)}
    arrays |= {_LEARNT + name: values for name, values in vars(outline.learnt).items()}
    if outline.weather_free is not None:
        arrays |= {_FREE + name: values for name, values in vars(outline.weather_free).items()}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def load_outline(blob: bytes) -> Outline:
    """The outline that `dump_outline` wrote, to the bit."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    learnt, free = (
        {name.removeprefix(part): values for name, values in arrays.items() if name.startswith(part)}
        for part in (_LEARNT, _FREE)
    )
    return Outline(
        model=load_model(arrays[_MODEL].tobytes()),
        learnt=Learnt(**learnt),
        weather_free=Learnt(**free) if free else None,
    )
