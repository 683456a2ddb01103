"""What time it is: the wall's, or a clock of its own for recorded data."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def wall_clock() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class DataClock:
    """Starts at a moment and runs `speed` times as fast as the wall; stands for "now" where data are concerned."""

    start: datetime
    speed: float = 1.0
    _begun: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=(time.monotonic() - self._begun) * self.speed)


def make_clock(at: datetime | None, speed: float) -> "DataClock":
    """A clock from a moment on, by default from now."""
    return DataClock(wall_clock() if at is None else at, speed)


async def sleep_until(moment: datetime, clock: DataClock) -> None:
    """Wait until the clock shows a moment."""
    # by steps, since the wall's clock may be set meanwhile
    while (left := (moment - clock()).total_seconds()) > 0:  # noqa: ASYNC110  # nothing happens that an event could tell
        await asyncio.sleep(min(left / clock.speed, 60.0))
