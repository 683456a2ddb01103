"""One group: what it was given of each kind, what it used, what it asked for and what it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ampacity.console_ports import KeptCapacity, RequestLine, SentMessage, Views
from ampacity.network import ForecastKind
from ampacity.operations.element_view import BACK, in_force, lay
from ampacity.operations.situation import Situation
from ampacity.ports import Floats, GridStore, Ints
from ampacity.timegrid import Window, quarter_at

SINCE = timedelta(hours=48)
SINCE_FALLBACK = timedelta(hours=72)
FALLBACKS = (ForecastKind.FALLBACK_CONSUMPTION, ForecastKind.FALLBACK_GENERATION)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One kind of capacity over the window; (T,) [W], NaN where nothing was decided."""

    kind: ForecastKind
    capacity_w: Floats  # what held, and what holds
    first_told_w: Floats  # what was decided for the quarter at first
    bound_by: Ints
    decision: Ints  # the decision that holds, -1 for none


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """A group over a window of quarters."""

    group_no: int
    now_quarter: int
    window: Window
    lines: dict[ForecastKind, Line]
    used_w: Floats  # (T,) all phases
    messages: Sequence[SentMessage]
    requests: Sequence[RequestLine]

    def column(self, quarter: int) -> int | None:
        """The place of a quarter in the arrays."""
        place = quarter - self.window.first
        return place if 0 <= place < self.window.count else None


async def group_view(situation: Situation, group_no: int, *, views: Views, grid: GridStore) -> GroupView:
    """Everything about a group, two days back and as far ahead as was decided."""
    now, now_quarter = situation.at, quarter_at(situation.at)
    newest = situation.newest
    end = now_quarter + 96 if newest is None else max(newest.first_quarter + newest.horizon, now_quarter + 1)
    window = Window(now_quarter - BACK, end - now_quarter + BACK)
    lines = {}
    for kind in ForecastKind:
        since = now - (SINCE_FALLBACK if kind in FALLBACKS else SINCE)
        lines[kind] = line_of(kind, await views.kept_capacities([group_no], kind, since, now), window)
    used_w = await grid.loads("group", range(group_no, group_no + 1), window, now)
    total_w = np.where(np.isnan(used_w[0]).all(axis=0), np.nan, np.nansum(used_w[0], axis=0))
    requests, _ = await views.requests(group_no=group_no, waiting=None, limit=50, offset=0)
    messages = await views.messages(group_no=group_no, provider_no=None, state=None, limit=60)
    return GroupView(
        group_no=group_no, now_quarter=now_quarter, window=window, lines=lines, used_w=total_w, messages=messages,
        requests=requests,
    )  # fmt: skip


def line_of(kind: ForecastKind, kept: Sequence[KeptCapacity], window: Window) -> Line:
    """What held in each quarter, decision upon decision, and what was told at first."""
    capacity_w, bound_by = in_force(kept, window)
    first_told_w = np.full(window.count, np.nan)
    decision = np.full(window.count, -1, np.int64)
    for k in kept:
        covers = Window(k.steps.first, k.steps.count * k.steps.quarters)
        lay(decision[None], window, np.full((1, covers.count), k.decision_id), covers, since=quarter_at(k.made_at))
    for k in reversed(kept):
        covers = Window(k.steps.first, k.steps.count * k.steps.quarters)
        told_w = np.repeat(k.capacity_w, k.steps.quarters)[None]
        lay(first_told_w[None], window, told_w, covers, since=quarter_at(k.made_at))
    return Line(kind=kind, capacity_w=capacity_w, first_told_w=first_told_w, bound_by=bound_by, decision=decision)
