"""How fast a cycle goes while others wait for an answer.

The processes of a database know nothing of urgency: those that write for a cycle are as urgent as those that take
requests and decide them.  So a cycle that has a quarter of an hour makes way itself, while somebody asks.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

ASKED_S = 3.0  # whoever asked before that has his answer
LOOK_EVERY_S = 0.5
REST = 2.0  # times as long as the last piece of work took
MOST_S = 5.0  # of a rest
BUDGET_S = 150.0  # of all rests, of forecasts and of shares each: a cycle has a quarter of an hour


class Askers(Protocol):
    """Where it is known whether somebody asks."""

    async def asked_lately(self, seconds: float) -> bool:
        """Whether somebody asked for capacity in the last seconds."""
        ...


@dataclass
class Pace:
    """Rests before pieces of work, of which a few may be under way at a time."""

    askers: Askers
    _took_s: float = 0.0  # the last piece
    _rested_s: float = 0.0
    _is_asked: bool = False
    _looked_at: float = field(default=float("-inf"))

    async def rest(self) -> None:
        """Wait some times as long as the last piece of work took, where somebody asked lately."""
        seconds = min(REST * self._took_s, MOST_S, BUDGET_S - self._rested_s)
        if seconds > 0 and await self._asked():
            self._rested_s += seconds
            await asyncio.sleep(seconds)

    @contextmanager
    def piece(self) -> Iterator[None]:
        """Count what happens inside as a piece of work."""
        begun = time.monotonic()
        yield
        self._took_s = time.monotonic() - begun

    async def _asked(self) -> bool:
        if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            self._is_asked = await self.askers.asked_lately(ASKED_S)
        return self._is_asked
