"""What is forecast of a block of elements, and the same as bytes that travel from server to server."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import LoadForecast
from ampacity.network import Direction
from ampacity.operations.rooms import Room
from ampacity.ports import Floats
from ampacity.timegrid import Window


@dataclass(frozen=True, kw_only=True)
class BlockForecast:
    """The forecast of a block of elements, and what it leaves free."""

    elements: range
    forecast: LoadForecast
    room: Room
    marks: dict[str, int]
    refitted: bool


def dump_block(block: BlockForecast) -> bytes:
    """The forecast of a block as bytes."""
    forecast, room = block.forecast, block.room
    window, elements = forecast.window, block.elements
    told = {"marks": {name: int(n) for name, n in block.marks.items()}, "refitted": block.refitted}
    arrays: dict[str, NDArray[np.generic]] = {
        "where": np.array([elements.start, elements.stop, window.first, window.count]),
        "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
        "levels": np.array(forecast.levels),
        "load": forecast.load_w,
        "source": forecast.source,
        "median": room.median_w,
    }
    if forecast.weather_free is not None:
        arrays["weather_free"] = forecast.weather_free
    for name, by_direction in (("headroom", room.headroom_w), ("pool", room.pool_w), ("fallback", room.fallback_w)):
        arrays.update({f"{name}_{d.value}": values for d, values in by_direction.items()})
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def load_block(blob: bytes) -> BlockForecast:
    """The forecast that `dump_block` wrote, to the bit."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    start, stop, first, count = arrays["where"].tolist()
    told = json.loads(arrays["told"].tobytes())
    room = Room(
        elements=range(start, stop),
        headroom_w=_by_direction(arrays, "headroom"),
        pool_w=_by_direction(arrays, "pool"),
        median_w=arrays["median"],
        fallback_w=_by_direction(arrays, "fallback"),
    )
    forecast = LoadForecast(
        window=Window(first, count),
        levels=tuple(arrays["levels"].tolist()),
        load_w=arrays["load"],
        source=arrays["source"],
        weather_free=arrays.get("weather_free"),
    )
    return BlockForecast(
        elements=range(start, stop), forecast=forecast, room=room, marks=told["marks"], refitted=told["refitted"]
    )


def _by_direction(arrays: Mapping[str, Floats], name: str) -> dict[Direction, Floats]:
    return {d: arrays[f"{name}_{d.value}"] for d in Direction if f"{name}_{d.value}" in arrays}
