"""What is kept of the daily forecasts that cycles rest on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBase:
    """A stored base of a block of elements, and when the model that made it had been made."""

    base_id: int
    elements: int
    model_made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseKey:
    """Which base it is: of a block, from a mark on, of a weather, up to before a day."""

    first_no: int
    elements: int
    mark: int
    end_day: int
    weather: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBase:
    """A base as bytes: the daily forecast, and what forecasts need of its model."""

    daily: bytes
    outline: bytes


class BaseStore(Protocol):
    """Stored bases: made once, by whichever server is first, and used by all."""

    async def bases(
        self, mark: int, weather: bytes, end_day: int, at: datetime, first_no: int | None = None
    ) -> Mapping[int, StoredBase]:
        """The newest base of each block, or of one, made at or before a time, by the number of its first element."""
        ...

    async def base(self, base_id: int) -> PackedBase: ...

    async def keep_base(self, key: BaseKey, model_made_at: datetime, packed: PackedBase) -> tuple[StoredBase, bool]:
        """Keep a base; gives the one that counts, and whether it is this one or another server's of the same time."""
        ...
