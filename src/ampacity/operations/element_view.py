"""One element from measurement to shares, on one time axis: two days back, and as far ahead as was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ampacity.console_ports import KeptCapacity, Views
from ampacity.network import Direction
from ampacity.network.settling import known_use, settle
from ampacity.operations.shares import KIND_OF
from ampacity.operations.situation import DIRECTIONS, Situation
from ampacity.people import effective_limit_w
from ampacity.ports import Floats, GridStore, Ints
from ampacity.timegrid import Window, moment_of, quarter_at

BACK = 192
MOST_GROUPS = 24
PAST_FORECASTS = timedelta(hours=48)


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one group behind the element has of it; (T,) W on the shown phase, NaN where nothing was decided."""

    group_no: int
    group_id: str
    provider_id: str
    given_w: dict[Direction, Floats]
    used_w: Floats
    bound_by: dict[Direction, Ints]


@dataclass(frozen=True, kw_only=True)
class ElementView:
    """The layers of one element and phase over a window; arrays (T,) [W], import positive."""

    element_no: int
    phase: int  # 0, 1, 2
    now_quarter: int
    window: Window
    limit_w: Floats
    rated_w: float
    measured_w: Floats
    used_w: Floats  # by the flexible groups behind
    load_w: Floats  # non-controllable
    mark: Ints
    lower_w: Floats
    median_w: Floats
    upper_w: Floats
    levels: tuple[float, ...]
    weather_free: Ints  # 1 where the forecast rests on the calendar alone
    headroom_w: dict[Direction, Floats]
    shares: Sequence[Share]
    groups_not_shown: int

    def column(self, quarter: int) -> int | None:
        """The place of a quarter in the arrays."""
        place = quarter - self.window.first
        return place if 0 <= place < self.window.count else None


async def element_view(
    situation: Situation, element_no: int, phase: int, *, views: Views, grid: GridStore
) -> ElementView:
    """Everything about one phase of an element."""
    now = situation.at
    now_quarter = quarter_at(now)
    newest = situation.newest
    end = now_quarter + 96 if newest is None else max(newest.first_quarter + newest.horizon, now_quarter + 1)
    window = Window(now_quarter - BACK, end - now_quarter + BACK)
    since = now - PAST_FORECASTS
    groups = _biggest(situation, situation.groups_behind(element_no))
    measured_w, used_w, group_use = await _loads(situation, element_no, groups, window, now, grid)
    settled = settle(measured_w, used_w, situation.limit_w[element_no : element_no + 1])
    forecasts = await views.kept_forecasts(element_no, since, now)
    risk = 0.01 if newest is None else newest.risk
    levels = (risk, 0.5, 1 - risk)
    quantiles, weather_free = np.full((len(levels), window.count), np.nan), np.zeros(window.count, np.int64)
    for kept in forecasts:
        at = [int(np.abs(np.array(kept.levels) - level).argmin()) for level in levels]
        since_quarter = quarter_at(kept.made_at)
        lay(quantiles, window, kept.load_w[at, phase], kept.window, since=since_quarter)
        free = np.zeros((1, kept.window.count), np.int64) if kept.weather_free is None else kept.weather_free[:, phase]
        lay(weather_free[None], window, free.astype(np.int64), kept.window, since=since_quarter)
    headroom_w = {}
    for direction in DIRECTIONS:
        headroom_w[direction] = np.full(window.count, np.nan)
        for made_at, covers, room_w in await views.element_headroom(direction, element_no, since, now):
            lay(headroom_w[direction][None], window, room_w[None, phase], covers, since=quarter_at(made_at))
    changes = [c for c in await grid.limit_changes(window, now) if c.element_no == element_no]
    rated_w = situation.limit_w[element_no]
    return ElementView(
        element_no=element_no,
        phase=phase,
        now_quarter=now_quarter,
        window=window,
        limit_w=effective_limit_w(rated_w, changes, window)[phase],
        rated_w=float(rated_w[phase]),
        measured_w=measured_w[0, phase],
        used_w=used_w[0, phase],
        load_w=settled.load_w[0, phase],
        mark=settled.mark[0, phase].astype(np.int64),
        lower_w=quantiles[0],
        median_w=quantiles[1],
        upper_w=quantiles[-1],
        levels=levels,
        weather_free=weather_free,
        headroom_w=headroom_w,
        shares=await _shares(situation, groups, group_use, phase, window, views, since, now),
        groups_not_shown=len(situation.groups_behind(element_no)) - len(groups),
    )


def _biggest(situation: Situation, groups: Ints) -> Ints:
    contract_w = situation.network.contracted_w(Direction.IMPORT)[groups]
    return np.sort(groups[np.argsort(-contract_w, kind="stable")[:MOST_GROUPS]])


async def _loads(
    situation: Situation, element_no: int, shown: Ints, window: Window, now: datetime, grid: GridStore
) -> tuple[Floats, Floats, dict[int, Floats]]:
    """Measured load (1, 3, T), use of all groups behind (1, 3, T), and use of each group that is shown."""
    measured_w = await grid.loads("element", range(element_no, element_no + 1), window, now)
    used_w = np.zeros_like(measured_w)
    each: dict[int, Floats] = {}
    groups = situation.groups_behind(element_no)
    if not len(groups) or await grid.load_span("group") is None:
        return measured_w, used_w, each
    wanted = set(shown.tolist())
    for run in _runs(groups):
        raw_w = await grid.loads("group", run, window, now)
        known_w = known_use(raw_w)
        members = [g for g in groups.tolist() if g in run]
        used_w[0] += known_w[[g - run.start for g in members]].sum(axis=0)
        each.update({g: raw_w[g - run.start] for g in members if g in wanted})
    past = window.quarters() < quarter_at(now)
    used_w[:, :, ~past] = 0.0
    return measured_w, used_w, each


def _runs(groups: Ints) -> list[range]:
    """Numbers in runs that are read at once: neighbours together, at most 1024 apart."""
    runs: list[range] = []
    for g in groups.tolist():
        if runs and g < runs[-1].start + 1024:
            runs[-1] = range(runs[-1].start, g + 1)
        else:
            runs.append(range(g, g + 1))
    return runs


async def _shares(
    situation: Situation, groups: Ints, use: dict[int, Floats], phase: int, window: Window, views: Views,
    since: datetime, now: datetime,
) -> Sequence[Share]:  # fmt: skip
    network = situation.network
    kept: dict[Direction, Sequence[KeptCapacity]] = {}
    for direction in DIRECTIONS:
        start = since if len(groups) <= 8 or situation.newest is None else situation.newest.made_at
        kept[direction] = await views.kept_capacities(groups.tolist(), KIND_OF[direction], start, now)
    shares = []
    for g in groups.tolist():
        part = float(network.phase_share[g, phase])
        given_w, bound_by = {}, {}
        for direction in DIRECTIONS:
            found = in_force([k for k in kept[direction] if k.group_no == g], window)
            given_w[direction], bound_by[direction] = found[0] * part, found[1]
        used_w = use[g][phase] if g in use else np.full(window.count, np.nan)
        group = network.groups[g]
        shares.append(
            Share(
                group_no=g, group_id=str(group.group_id), provider_id=str(group.provider_id), given_w=given_w,
                used_w=used_w, bound_by=bound_by,
            )
        )  # fmt: skip
    return [s for s, g in zip(shares, groups.tolist(), strict=True) if network.phase_share[g, phase] > 0]


def in_force(kept: Sequence[KeptCapacity], window: Window) -> tuple[Floats, Ints]:
    """What held in each quarter, decision upon decision: capacity [W] and what bound it, (T,)."""
    capacity_w, bound_by = np.full(window.count, np.nan), np.full(window.count, -1, np.int64)
    for k in kept:
        covers = Window(k.steps.first, k.steps.count * k.steps.quarters)
        since = quarter_at(k.made_at)
        lay(capacity_w[None], window, np.repeat(k.capacity_w, k.steps.quarters)[None], covers, since=since)
        lay(bound_by[None], window, np.repeat(k.bound_by, k.steps.quarters)[None], covers, since=since)
    return capacity_w, bound_by


def lay(into: Floats | Ints, window: Window, values: Floats | Ints, covers: Window, *, since: int) -> None:
    """Lay values (N, T') over an array (N, T) where their windows meet, from a quarter on."""
    start, stop = max(window.first, covers.first, since), min(window.end, covers.end)
    if start < stop:
        into[:, start - window.first : stop - window.first] = values[:, start - covers.first : stop - covers.first]


@dataclass(frozen=True, kw_only=True)
class Why:
    """The sum behind a quarter: limit - median - margin = headroom, and who got it; [W]."""

    quarter: int
    phase: int
    direction: Direction
    limit_w: float
    median_w: float  # towards the limit: positive where it takes room
    margin_w: float
    headroom_w: float
    shares: Sequence[tuple[str, float]]
    kept_w: float  # not given out
    bound_by: Sequence[tuple[str, int]]  # groups held back, by the number of the element that binds; -1 the own cap


def why(view: ElementView, quarter: int, direction: Direction) -> Why | None:
    """Spell a quarter out; None where nothing was decided."""
    place = view.column(quarter)
    if place is None or np.isnan(view.headroom_w[direction][place]) or np.isnan(view.median_w[place]):
        return None
    sign = 1.0 if direction is Direction.IMPORT else -1.0
    median_w = sign * float(view.median_w[place])
    headroom_w = float(view.headroom_w[direction][place])
    limit_w = float(view.limit_w[place])
    given = [(s.group_id, float(s.given_w[direction][place])) for s in view.shares]
    given = [(name, w) for name, w in given if not np.isnan(w)]
    return Why(
        quarter=quarter,
        phase=view.phase,
        direction=direction,
        limit_w=limit_w,
        median_w=median_w,
        margin_w=limit_w - median_w - headroom_w,
        headroom_w=headroom_w,
        shares=given,
        kept_w=headroom_w - sum(w for _, w in given),
        bound_by=[(s.group_id, int(s.bound_by[direction][place])) for s in view.shares],
    )


def moments(window: Window) -> list[str]:
    """Starts of the quarters as ISO 8601 in UTC."""
    return [moment_of(q).strftime("%Y-%m-%dT%H:%MZ") for q in range(window.first, window.end)]
