"""Keeps the newest situation of the grid, made anew when something has changed."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import numpy as np

from ampacity.console_ports import Newest, Views
from ampacity.network import Network
from ampacity.operations.situation import DIRECTIONS, Situation
from ampacity.operations.tightest import figures_of, joined, states
from ampacity.people import effective_limit_w
from ampacity.ports import GridStore
from ampacity.timegrid import QUARTERS_PER_DAY, Window, quarter_at

ELEMENTS_AT_ONCE = 2048
LATELY_S = 600.0
BEHIND_S = 10.0
_REST = 3.0  # times as long as a piece took, while nobody waits: right after a cycle others have more to do


def _slot(situation: Situation) -> datetime | None:
    return None if situation.newest is None else situation.newest.slot


class Lookout:
    """Keeps the newest situation; it is made anew when something was decided, the grid changed or a quarter passed.

    Who looks meanwhile waits for at most `patience_s` and then sees the one before, where there is one;
    without a patience they wait.  Where nobody waits it is made at leisure.
    """

    def __init__(self, views: Views, grid: GridStore, power_factor: float, patience_s: float | None = None) -> None:
        self._views = views
        self._grid = grid
        self._power_factor = power_factor
        self._patience_s = patience_s
        self._key: object = None
        self._kept: Situation | None = None
        self._network: tuple[object, Network] | None = None
        self._one = asyncio.Lock()
        self._renewing: asyncio.Task[Situation] | None = None
        self._waiting = 0
        self._in_a_hurry = asyncio.Event()  # somebody waits
        self._rested_s = 0.0  # in all
        self._looked_at = -math.inf
        self._behind_at = -math.inf

    async def situation(self, now: datetime) -> Situation:
        """How the grid stands, or stood a moment ago; never more than a quarter hour."""
        self._looked_at = time.monotonic()
        kept = self._kept
        if kept is None or self._patience_s is None or quarter_at(now) - quarter_at(kept.at) > 1:
            return await self.renewed(now)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self.renewed(now))  # in a hurry to its end: they will look again
        done, _ = await asyncio.wait({self._renewing}, timeout=self._patience_s)
        if done:
            return self._renewing.result()
        self._behind_at = time.monotonic()
        return kept

    def was_behind(self) -> bool:
        """Whether somebody who looked in the last seconds may have seen what was before."""
        return time.monotonic() - self._behind_at < BEHIND_S

    async def keep_ready(self, now: datetime) -> float:
        """Renew where a cycle was decided, and for whatever else changed where somebody looked lately.

        Gives the seconds that this took, without the rests between.
        """
        begun, rested_s = time.monotonic(), self._rested_s
        newest, kept = await self._views.newest(now), self._kept
        is_new = kept is None or (None if newest is None else newest.slot) != _slot(kept)
        if is_new or time.monotonic() - self._looked_at < LATELY_S:
            await self._newest(now)
        return time.monotonic() - begun - (self._rested_s - rested_s)

    async def renewed(self, now: datetime) -> Situation:
        """How the grid stands, for somebody who waits."""
        with self._hurrying():
            return await self._newest(now)

    @contextmanager
    def _hurrying(self) -> Iterator[None]:
        self._waiting += 1
        self._in_a_hurry.set()
        try:
            yield
        finally:
            self._waiting -= 1
            if self._waiting == 0:
                self._in_a_hurry.clear()

    async def _newest(self, now: datetime) -> Situation:
        async with self._one:
            newest = await self._views.newest(now)
            revision = await self._views.grid_revision()
            key = (newest, revision, quarter_at(now))
            if self._kept is None or key != self._key:
                self._kept = await self._make(now, newest, revision)
                self._key = key
            return self._kept

    async def _rest(self, seconds: float) -> None:
        """A while, or until somebody waits."""
        begun = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._in_a_hurry.wait()
        self._rested_s += time.monotonic() - begun

    async def _make(self, now: datetime, newest: Newest | None, revision: object) -> Situation:
        if self._network is None or self._network[0] != revision:
            self._network = (revision, await self._grid.network())
        network = self._network[1]
        limit_w = network.limit_w(self._power_factor if newest is None else newest.power_factor)
        ahead = Window(quarter_at(now), QUARTERS_PER_DAY)
        changes = tuple(await self._grid.limit_changes(ahead, now))
        elements = len(network.elements)
        none = np.zeros((elements, 3), np.uint8)
        sources = none if newest is None else await self._views.forecast_sources(newest.decision_id, elements)
        set_w = {
            e: effective_limit_w(limit_w[e], [c for c in changes if c.element_no == e], ahead)
            for e in {c.element_no for c in changes}
        }
        past = Window(ahead.first - QUARTERS_PER_DAY, QUARTERS_PER_DAY)
        parts = []
        for first in range(0, max(elements, 1), ELEMENTS_AT_ONCE):
            begun = time.monotonic()
            some = range(first, min(first + ELEMENTS_AT_ONCE, elements))
            rooms = [await self._views.headroom(d, some, now) for d in DIRECTIONS] if newest else [None, None]
            load_w = await self._grid.loads("element", some, past, now)
            own_w = {e - first: limit for e, limit in set_w.items() if e in some}
            parts.append(
                await asyncio.to_thread(figures_of, rooms, limit_w[first : some.stop], own_w, ahead, load_w, past)
            )
            if some.stop < elements:
                await self._rest(_REST * (time.monotonic() - begun))
        tightest, (now_w, now_quarter, past_w) = await asyncio.to_thread(joined, parts)
        made = Situation(
            newest=newest, at=now, network=network, limit_w=limit_w, changes=changes,
            state=states(tightest, limit_w, sources),
            least_w=tightest.least_w, least_of_w=tightest.of_w, least_quarter=tightest.quarter,
            least_phase=tightest.phase, least_export=tightest.export, now_w=now_w,
            now_quarter=now_quarter.astype(np.int64), past_w=past_w, ahead_w=tightest.ahead_w,
        )  # fmt: skip
        await asyncio.to_thread(made.prepare)
        return made
