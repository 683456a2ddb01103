"""What the benchmark of requests sees of a server: when its gate was closed, and when its cycle was decided."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ampacity.store.intake_bench import AnsweredRequest, gate_state
from ampacity.store.pool import Pool

_LOOK_EVERY_S = 0.05


@dataclass
class GateWatch:
    """Looks again and again, by the database's clock."""

    pool: Pool
    slot: datetime
    begun_at: datetime | None = None
    decided_at: datetime | None = None
    closed: list[tuple[datetime, datetime]] = field(default_factory=list)  # first and last time that it was seen so

    async def look_on(self) -> None:
        """Look until it is cancelled."""
        was_closed = False
        while True:
            state = await gate_state(self.pool, self.slot)
            self.begun_at = self.begun_at or state.at
            if state.is_decided and self.decided_at is None:
                self.decided_at = state.at
            if state.is_closed:
                self.closed.append((self.closed.pop()[0] if was_closed else state.at, state.at))
            was_closed = state.is_closed
            await asyncio.sleep(_LOOK_EVERY_S)

    @property
    def cycle_s(self) -> float:
        """From the first look until the cycle was decided."""
        assert self.begun_at is not None
        assert self.decided_at is not None
        return (self.decided_at - self.begun_at).total_seconds()

    @property
    def closed_s(self) -> float:
        """How long the gate was seen closed, in all."""
        return sum(((end - begin).total_seconds() for begin, end in self.closed), 0.0)


def waits_after_gate(answered: Sequence[AnsweredRequest], closed: Sequence[tuple[datetime, datetime]]) -> list[float]:
    """Seconds from when each request could be decided to when its answer had been sent.

    That is when it was durable, or when the gate was open again that it waited for.
    """
    waits_s = []
    for request in answered:
        ends = [end for _, end in closed if request.recorded_at < end <= request.decided_at]
        waits_s.append((request.sent_at - max([request.recorded_at, *ends])).total_seconds())
    return waits_s
