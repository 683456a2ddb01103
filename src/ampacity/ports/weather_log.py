"""How fetching of weather goes, for the servers that share it and for those who look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherFetch:
    """The state of one source; times by the wall clock."""

    source: str
    tried_at: datetime
    succeeded_at: datetime | None
    values_added: int  # when it last succeeded
    failures: int  # attempts in a row that failed
    failure: str  # what the last one met; empty after a success


class FetchLog(Protocol):
    """One row for each source."""

    async def claim(self, source: str, now: datetime, none_since: datetime) -> bool:
        """Take the next attempt on; false where one was made since that time, here or on another server."""
        ...

    async def fetched(self, source: str, at: datetime, values_added: int) -> None: ...

    async def failed(self, source: str, failure: str) -> None: ...

    async def all(self) -> Sequence[WeatherFetch]: ...
