"""What is kept of the worst loads that were seen: fallbacks rest on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExtremes:
    """Stored extremes of a block of elements: what was known of its loads at a moment."""

    elements: int
    made_at: datetime


class ExtremesStore(Protocol):
    """Lowest and highest loads of each hour of the week, as bytes; those of the last days are kept."""

    async def newest(self, at: datetime) -> Mapping[int, KeptExtremes]:
        """The newest of each block, made at or before a time, by the number of its first element."""
        ...

    async def packed(self, first_no: int, made_at: datetime) -> bytes: ...

    async def keep(self, first_no: int, elements: int, made_at: datetime, packed: bytes) -> None:
        """Keep those of a block, in place of those of the days before; of one moment and size the first hold."""
        ...
