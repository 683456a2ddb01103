"""What is forecast of a block of elements."""

from dataclasses import dataclass

from ampacity.forecasting import LoadForecast
from ampacity.operations.rooms import Room


@dataclass(frozen=True, kw_only=True)
class BlockForecast:
    """The forecast of a block of elements, and what it leaves free."""

    elements: range
    forecast: LoadForecast
    room: Room
    marks: dict[str, int]
    refitted: bool
