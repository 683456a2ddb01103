"""Headroom of blocks of elements, gathered from their forecasts into what batches of trees are decided from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ampacity.allocation import headroom, pool_reserve
from ampacity.forecasting import ForecastSettings, ForecastSource
from ampacity.network import PHASES, Direction
from ampacity.network.batches import Batch, rows_of
from ampacity.operations.decide import Outlook
from ampacity.operations.forecast import BlockForecast
from ampacity.operations.forecast_plan import Plan
from ampacity.ports import Floats, Ints, Steps
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

SCORED_EVERY_H = 6
TIGHTEST = 5
BOLDER = 0.95  # the quantile whose gap to that of the risk makes the pool


def used_levels(settings: ForecastSettings) -> tuple[float, float, float]:
    """The quantiles that a decision rests on: lower, median, upper."""
    return settings.risk, 0.5, round(1 - settings.risk, 9)


def kept_levels(settings: ForecastSettings, slot: datetime) -> tuple[float, ...]:
    """The quantiles that are stored: those that the decision rests on, in the first cycle of every six hours all.

    That one is scored (`score_forecasts`), and how well every quantile is calibrated is seen from it.
    """
    is_scored = slot.astimezone(UTC).hour % SCORED_EVERY_H == 0 and slot.minute == 0
    return settings.levels if is_scored else used_levels(settings)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a block of elements leaves free; arrays (E, 3, steps) of its elements [W]."""

    elements: range
    headroom_w: Mapping[Direction, Floats]
    pool_w: Mapping[Direction, Floats]
    median_w: Floats
    fallback_w: Mapping[Direction, Floats]  # empty where no new fallback is due


@dataclass(frozen=True, slots=True, order=True)
class Tight:
    """An element's quarter hour with the least import headroom; tighter ones sort first."""

    headroom_w: float
    element_no: int
    phase: int  # 0, 1, 2
    step: int


def cycle_steps(plan: Plan) -> Steps:
    """The quarter hours of a cycle."""
    return Steps(first=plan.origin, count=plan.cycle.horizon)


def fallback_steps(plan: Plan) -> Steps:
    """The hours that fallbacks reach."""
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY // QUARTERS_PER_HOUR
    return Steps(first=plan.origin - plan.origin % QUARTERS_PER_HOUR, count=hours, quarters=QUARTERS_PER_HOUR)


def room_of(plan: Plan, block: BlockForecast) -> Room:
    """The headroom that the forecast of a block leaves."""
    rows = slice(block.elements.start, block.elements.stop)
    limit_w, extra_w = plan.limit_w[rows], plan.cycle.extra_margin_w
    lower, median, upper = (block.forecast.at(level) for level in used_levels(plan.forecast))
    room = headroom(limit_w, upper, lower, extra_w)
    bolder = headroom(limit_w, block.forecast.at(BOLDER), block.forecast.at(1 - BOLDER), extra_w)
    fraction = plan.cycle.pool_fraction
    headroom_w = {Direction.IMPORT: _packed(room.import_w), Direction.EXPORT: _packed(room.export_w)}
    plan.shifts.apply(headroom_w, block.elements, cycle_steps(plan))
    fallback_w: dict[Direction, Floats] = {}
    if block.band_w is not None:
        far = headroom(limit_w, block.band_w[1], block.band_w[0], extra_w)
        fallback_w = {Direction.IMPORT: _packed(far.import_w), Direction.EXPORT: _packed(far.export_w)}
        plan.shifts.apply(fallback_w, block.elements, fallback_steps(plan), cautious=True)
    return Room(
        elements=block.elements,
        headroom_w=headroom_w,
        pool_w={
            Direction.IMPORT: _packed(pool_reserve(room.import_w, bolder.import_w, fraction)),
            Direction.EXPORT: _packed(pool_reserve(room.export_w, bolder.export_w, fraction)),
        },
        median_w=np.nan_to_num(median),
        fallback_w=fallback_w,
    )


class Tally:
    """What a cycle tells of its forecasts, counted block by block."""

    def __init__(self) -> None:
        self.marks: Counter[str] = Counter()
        self.refitted = 0
        self.tightest: list[Tight] = []
        self._sources: Counter[str] = Counter()
        self.weather_free_quarters = 0  # of all elements and phases, forecast without weather

    def add(self, block: BlockForecast, room: Room, limit_w: Floats) -> None:
        """Count a block; `limit_w` (E, 3) of its elements."""
        self.marks.update(block.marks)
        self.refitted += block.refitted * len(block.elements)
        kinds, counts = np.unique(block.forecast.source, return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            self._sources[ForecastSource(kind).name.lower()] += count
        self.tightest = sorted([*self.tightest, *_tightest(room, limit_w)])[:TIGHTEST]
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


def _packed(values: Floats) -> Floats:
    return values.astype(np.float32)
