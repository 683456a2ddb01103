"""Headroom of blocks of elements, gathered from their forecasts into what batches of trees are decided from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ampacity.forecasting import ForecastSettings, ForecastSource
from ampacity.network import PHASES, Direction
from ampacity.network.batches import Batch, rows_of
from ampacity.operations.block_forecast import BlockForecast
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.rooms import Room, cycle_steps, fallback_steps, used_levels
from ampacity.operations.shares import Outlook
from ampacity.ports import Floats, Ints

SCORED_EVERY_H = 6
TIGHTEST = 5


def kept_levels(settings: ForecastSettings, slot: datetime) -> tuple[float, ...]:
    """The quantiles that are stored: those that the decision rests on, in the first cycle of every six hours all.

    That one is scored (`score_forecasts`), and how well every quantile is calibrated is seen from it.
    """
    is_scored = slot.astimezone(UTC).hour % SCORED_EVERY_H == 0 and slot.minute == 0
    return settings.levels if is_scored else used_levels(settings)


@dataclass(frozen=True, slots=True, order=True)
class Tight:
    """An element's quarter hour with the least import headroom; tighter ones sort first."""

    headroom_w: float
    element_no: int
    phase: int  # 0, 1, 2
    step: int


class Tally:
    """What a cycle tells of its forecasts, counted block by block."""

    def __init__(self) -> None:
        self.marks: Counter[str] = Counter()
        self.refitted = 0
        self.tightest: list[Tight] = []
        self._sources: Counter[str] = Counter()
        self.weather_free_quarters = 0  # of all elements and phases, forecast without weather

    def add(self, block: BlockForecast, limit_w: Floats) -> None:
        """Count a block; `limit_w` (E, 3) of its elements."""
        self.marks.update(block.marks)
        self.refitted += block.refitted * len(block.elements)
        kinds, counts = np.unique(block.forecast.source, return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            self._sources[ForecastSource(kind).name.lower()] += count
        self.tightest = sorted([*self.tightest, *_tightest(block.room, limit_w)])[:TIGHTEST]
        if block.forecast.weather_free is not None:
            self.weather_free_quarters += int(block.forecast.weather_free.sum())

    def sources(self) -> dict[str, int]:
        """How many forecasts of phases rest on what."""
        return {name: n for name, n in self._sources.items() if name != ForecastSource.NONE.name.lower()}


def _tightest(room: Room, limit_w: Floats) -> Iterator[Tight]:
    free_w = np.where((limit_w > 0)[:, :, None], room.headroom_w[Direction.IMPORT], np.inf)
    flat_w = free_w.reshape(len(free_w), -1)
    least_w = flat_w.min(axis=1)
    for e in np.argsort(least_w, kind="stable")[:TIGHTEST].tolist():
        phase, step = divmod(int(flat_w[e].argmin()), free_w.shape[2])
        yield Tight(float(least_w[e]), room.elements.start + e, phase, step)


class Gathered:
    """Lays the rooms of blocks together; what no batch needs any more is not kept."""

    def __init__(self, plan: Plan, batches: Sequence[Batch], need_wh: Floats, need_cap_w: Floats | None) -> None:
        self._plan, self._batches = plan, batches
        self._need_wh, self._need_cap_w = need_wh, need_cap_w
        self._batch_of = np.empty(len(plan.network.elements), np.int64)
        for no, batch in enumerate(batches):
            self._batch_of[batch.elements] = no
        self._missing = [len(batch.elements) for batch in batches]
        self._open: dict[int, Outlook] = {}

    def add(self, room: Room) -> list[tuple[Batch, Outlook]]:
        """Take in a block; gives the batches of trees that are complete with it."""
        batch_of = self._batch_of[room.elements.start : room.elements.stop]
        complete = []
        for no in np.unique(batch_of).tolist():
            rows = np.flatnonzero(batch_of == no)
            if no not in self._open:
                self._open[no] = self.empty(self._batches[no])
            places = np.searchsorted(self._batches[no].elements, rows + room.elements.start)
            _lay(self._open[no], room, places, rows)
            self._missing[no] -= len(rows)
            if self._missing[no] == 0:
                complete.append((self._batches[no], self._open.pop(no)))
        return complete

    def empty(self, batch: Batch) -> Outlook:
        """The outlook of a batch of which no element is known yet."""
        steps, far = cycle_steps(self._plan), fallback_steps(self._plan)
        shape, far_shape = ((len(batch.elements), PHASES, s.count) for s in (steps, far))
        return Outlook(
            steps=steps,
            headroom_w={d: np.empty(shape, np.float32) for d in Direction},
            pool_w={d: np.empty(shape, np.float32) for d in Direction},
            median_w=np.empty(shape, np.float32),
            fallback_steps=far,
            fallback_headroom_w={d: np.empty(far_shape, np.float32) for d in Direction if self._plan.with_fallback},
            need_wh=self._need_wh[batch.group_rows],
            need_cap_w=None if self._need_cap_w is None else self._need_cap_w[batch.group_rows],
            hand_out_rest=self._plan.cycle.hand_out_rest,
        )


def _lay(outlook: Outlook, room: Room, places: Ints, rows: Ints) -> None:
    """Lay rows of a block over their places in a batch."""
    into, source = rows_of(places), rows_of(rows)
    for direction in Direction:
        outlook.headroom_w[direction][into] = room.headroom_w[direction][source]
        outlook.pool_w[direction][into] = room.pool_w[direction][source]
    outlook.median_w[into] = room.median_w[source]
    for direction, far_w in room.fallback_w.items():
        outlook.fallback_headroom_w[direction][into] = far_w[source]
