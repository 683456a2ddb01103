"""The grid at a glance: what every element carries, and where it is tightest in the next day."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampacity.console_ports import Newest, Views
from ampacity.forecasting import ForecastSource
from ampacity.network import Direction, Network
from ampacity.people import LimitChange, effective_limit_w
from ampacity.ports import Floats, GridStore, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, quarter_at

TIGHT = 0.10  # of the limit: less headroom than that is tight
STALE_QUARTERS = 8  # measurements older than that are called late
ELEMENTS_AT_ONCE = 8192
LATELY_S = 600.0
BEHIND_S = 10.0
DIRECTIONS = (Direction.IMPORT, Direction.EXPORT)
Bools = NDArray[np.bool_]
_Measured: TypeAlias = tuple[Floats, Ints, Floats]  # newest total load, its quarter, hourly means; (E,), (E,), (E, 24)


class State(IntEnum):
    """How an element stands in the next 24 hours, worst first."""

    OVER = 0  # the forecast's upper quantile alone is above the limit
    TIGHT = 1
    UNKNOWN = 2  # nothing is known of its load: all of its limit is kept free
    OK = 3


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All elements at one moment; arrays (E,) unless said otherwise.  NaN and -1: not known."""

    newest: Newest | None
    at: datetime
    network: Network
    limit_w: Floats  # (E, 3) by the rating
    changes: tuple[LimitChange, ...]  # limits that people set, touching the next 24 h
    state: Ints
    least_w: Floats  # least headroom in the next 24 h, of all phases and both directions
    least_of_w: Floats  # the limit there
    least_quarter: Ints
    least_phase: Ints  # 0, 1, 2
    least_export: Bools
    now_w: Floats  # newest measured load, all phases
    now_quarter: Ints
    past_w: Floats  # (E, 24) hourly means on the tightest phase, the last 24 h
    ahead_w: Floats  # (E, 24) the bound there: the greatest upper (export: least lower) quantile of each hour

    @cached_property
    def behind(self) -> tuple[Ints, Ints]:
        """Groups at and behind each element: those of element e are groups[starts[e]:starts[e + 1]]."""
        at, rows = self.network.element.copy(), np.arange(len(self.network.element))
        elements, groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        while rows.size:
            elements.append(at)
            groups.append(rows)
            at = self.network.parent[at]
            rows, at = rows[at >= 0], at[at >= 0]
        element, group = np.concatenate(elements), np.concatenate(groups)
        order = np.argsort(element, kind="stable")
        starts = np.searchsorted(element[order], np.arange(len(self.network.elements) + 1))
        return starts.astype(np.int64), group[order]

    def groups_behind(self, element_no: int) -> Ints:
        """Numbers of the groups at and behind an element."""
        starts, groups = self.behind
        found: Ints = np.sort(groups[starts[element_no] : starts[element_no + 1]])
        return found

    def prepare(self) -> None:
        """Work out beforehand what the first page would otherwise wait for."""
        _ = self.behind, self.below, self.children, self.number_of, self.group_number_of

    @cached_property
    def below(self) -> Ints:
        """How many elements at and below each are in each state, (E, 4)."""
        counts = np.zeros((len(self.state), len(State)), np.int64)
        counts[np.arange(len(self.state)), self.state] = 1
        depth = self.network.depth
        for level in range(int(depth.max(initial=0)), 0, -1):
            at = np.flatnonzero(depth == level)
            np.add.at(counts, self.network.parent[at], counts[at])
        return counts

    @cached_property
    def children(self) -> tuple[Ints, Ints]:
        """As `behind`: the elements directly below each; the roots stand in front, from 0 to starts[0]."""
        order = np.argsort(self.network.parent, kind="stable")
        starts = np.searchsorted(self.network.parent[order], np.arange(len(self.network.parent) + 1))
        return starts.astype(np.int64), order

    def children_of(self, element_no: int | None) -> Ints:
        """Numbers of the elements directly below one; of none: the roots."""
        starts, order = self.children
        return order[: starts[0]] if element_no is None else order[starts[element_no] : starts[element_no + 1]]

    @cached_property
    def number_of(self) -> dict[str, int]:
        return {str(e.element_id): i for i, e in enumerate(self.network.elements)}

    @cached_property
    def group_number_of(self) -> dict[str, int]:
        return {str(g.group_id): i for i, g in enumerate(self.network.groups)}

    def changes_of(self, element_no: int) -> Sequence[LimitChange]:
        return [c for c in self.changes if c.element_no == element_no]


def _slot(situation: Situation) -> datetime | None:
    return None if situation.newest is None else situation.newest.slot


class Lookout:
    """Keeps the newest situation; it is made anew when something was decided, the grid changed or a quarter passed.

    Who looks meanwhile waits for at most `patience_s` and then sees the one before, where there is one;
    without a patience they wait.
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
        self._looked_at = -math.inf
        self._behind_at = -math.inf

    async def situation(self, now: datetime) -> Situation:
        """How the grid stands, or stood a moment ago; never more than a quarter hour."""
        self._looked_at = time.monotonic()
        kept = self._kept
        if kept is None or self._patience_s is None or quarter_at(now) - quarter_at(kept.at) > 1:
            return await self.renewed(now)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self.renewed(now))
        done, _ = await asyncio.wait({self._renewing}, timeout=self._patience_s)
        if done:
            return self._renewing.result()
        self._behind_at = time.monotonic()
        return kept

    def was_behind(self) -> bool:
        """Whether somebody who looked in the last seconds may have seen what was before."""
        return time.monotonic() - self._behind_at < BEHIND_S

    async def keep_ready(self, now: datetime) -> None:
        """Renew where a cycle was decided, and for whatever else changed where somebody looked lately."""
        newest, kept = await self._views.newest(now), self._kept
        is_new = kept is None or (None if newest is None else newest.slot) != _slot(kept)
        if is_new or time.monotonic() - self._looked_at < LATELY_S:
            await self.renewed(now)

    async def renewed(self, now: datetime) -> Situation:
        """How the grid stands."""
        async with self._one:
            newest = await self._views.newest(now)
            revision = await self._views.grid_revision()
            key = (newest, revision, quarter_at(now))
            if self._kept is None or key != self._key:
                self._kept = await self._make(now, newest, revision)
                self._key = key
            return self._kept

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
            some = range(first, min(first + ELEMENTS_AT_ONCE, elements))
            rooms = [await self._views.headroom(d, some, now) for d in DIRECTIONS] if newest else [None, None]
            load_w = await self._grid.loads("element", some, past, now)
            own_w = {e - first: limit for e, limit in set_w.items() if e in some}
            parts.append(await asyncio.to_thread(_part, rooms, limit_w[first : some.stop], own_w, ahead, load_w, past))
        tightest, (now_w, now_quarter, past_w) = await asyncio.to_thread(_joined, parts)
        made = Situation(
            newest=newest, at=now, network=network, limit_w=limit_w, changes=changes,
            state=_states(tightest, limit_w, sources),
            least_w=tightest.least_w, least_of_w=tightest.of_w, least_quarter=tightest.quarter,
            least_phase=tightest.phase, least_export=tightest.export, now_w=now_w,
            now_quarter=now_quarter.astype(np.int64), past_w=past_w, ahead_w=tightest.ahead_w,
        )  # fmt: skip
        await asyncio.to_thread(made.prepare)
        return made


def _part(
    rooms: Sequence[tuple[Window, Floats] | None], limit_w: Floats, set_w: Mapping[int, Floats], ahead: Window,
    load_w: Floats, past: Window,
) -> tuple["_Tightest", _Measured]:  # fmt: skip
    """What is shown of some elements; arguments as of `_tightest` and `_measured`."""
    tightest = _tightest(rooms, limit_w, set_w, ahead)
    return tightest, _measured(load_w, tightest.phase, past)


def _joined(parts: Sequence[tuple["_Tightest", _Measured]]) -> tuple["_Tightest", _Measured]:
    columns = {f.name: np.concatenate([getattr(each, f.name) for each, _ in parts]) for f in fields(_Tightest)}
    now_w, quarter, past_w = (np.concatenate(column) for column in zip(*(m for _, m in parts), strict=True))
    return _Tightest(**columns), (now_w, quarter, past_w)


@dataclass(frozen=True, kw_only=True)
class _Tightest:
    least_w: Floats
    of_w: Floats
    quarter: Ints
    phase: Ints
    export: Bools
    ahead_w: Floats


def _tightest(
    rooms: Sequence[tuple[Window, Floats] | None], limit_w: Floats, set_w: Mapping[int, Floats], ahead: Window
) -> _Tightest:
    """The least headroom of each element in the quarters ahead, and where it is; `set_w` are limits that people set."""
    elements = limit_w.shape[0]
    least = np.full((2, elements), np.nan)
    place = np.zeros((2, elements), np.int64)
    bound_w = np.full((2, elements, 3, ahead.count), np.nan, np.float32)
    for d, room in enumerate(rooms):
        if room is None:
            continue
        covers, headroom_w = room
        start, stop = max(covers.first, ahead.first), min(covers.end, ahead.end)
        if start >= stop:
            continue
        into = bound_w[d, :, :, start - ahead.first : stop - ahead.first]
        into[:] = headroom_w[:elements, :, start - covers.first : stop - covers.first]
        into[limit_w <= 0] = np.nan
        filled = np.where(np.isnan(bound_w[d]), np.inf, bound_w[d]).reshape(elements, 3 * ahead.count)
        place[d] = filled.argmin(axis=1)
        least[d] = filled[np.arange(elements), place[d]]
    least[np.isinf(least)] = np.nan
    export = np.nan_to_num(least[1], nan=np.inf) < np.nan_to_num(least[0], nan=np.inf)
    chosen, rows = export.astype(int), np.arange(elements)
    phase, step = np.divmod(place[chosen, rows], ahead.count)
    known = ~np.isnan(least[chosen, rows])
    full_w = np.repeat(limit_w[rows, phase][:, None], ahead.count, axis=1)
    for element_no, own_w in set_w.items():
        full_w[element_no] = own_w[phase[element_no]]
    sign = np.where(export, -1.0, 1.0)[:, None]
    upper_w = sign * (full_w - bound_w[chosen, rows, phase])
    hourly = upper_w.reshape(elements, ahead.count // QUARTERS_PER_HOUR, QUARTERS_PER_HOUR)
    return _Tightest(
        least_w=least[chosen, rows],
        of_w=full_w[rows, step],
        quarter=np.where(known, ahead.first + step, -1),
        phase=phase,
        export=export,
        ahead_w=np.where(export[:, None], hourly.min(axis=2), hourly.max(axis=2)),
    )


def _measured(load_w: Floats, phase: Ints, past: Window) -> _Measured:
    """Newest total load, its quarter, and hourly means of one phase, (E,), (E,), (E, 24)."""
    total_w = np.where(np.isnan(load_w).all(axis=1), np.nan, np.nansum(load_w, axis=1))
    known = ~np.isnan(total_w)
    last = past.count - 1 - known[:, ::-1].argmax(axis=1)
    rows = np.arange(len(phase))
    has = known.any(axis=1)
    own_w = load_w[rows, phase].reshape(len(phase), past.count // QUARTERS_PER_HOUR, QUARTERS_PER_HOUR)
    count = (~np.isnan(own_w)).sum(axis=2)
    hourly_w = np.where(count > 0, np.nansum(own_w, axis=2) / np.maximum(count, 1), np.nan)
    return np.where(has, total_w[rows, last], np.nan), np.where(has, past.first + last, -1), hourly_w


def _states(tightest: _Tightest, limit_w: Floats, sources: NDArray[np.uint8]) -> Ints:
    there = limit_w > 0
    unknown = (~there | (sources <= ForecastSource.LIMIT)).all(axis=1) | np.isnan(tightest.least_w)
    state = np.full(limit_w.shape[0], State.OK, np.int64)
    with np.errstate(invalid="ignore"):
        state[tightest.least_w < TIGHT * tightest.of_w] = State.TIGHT
        state[tightest.least_w < 0] = State.OVER
    state[unknown] = State.UNKNOWN
    return state
