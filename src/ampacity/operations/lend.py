"""How much of its contract each group is expected to need: the rest is lent until it asks, or uses what it has."""

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import is_used_up, need_cap
from ampacity.network import Direction, ForecastKind
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.settled_loads import GROUPS_AT_ONCE
from ampacity.ports import CapacityTable, Floats, GridStore
from ampacity.timegrid import QUARTERS_PER_DAY, Window

DAYS = 14
LEAST_DAYS = 7  # with less known, nothing is lent


async def needed(plan: Plan, told: CapacityTable | None, grid: GridStore) -> NDArray[np.float32] | None:
    """Caps from recent use [W], shape (G, T), infinite where a group may have all; None where nothing is lent."""
    if not plan.cycle.lend_idle or await grid.load_span("group") is None:
        return None
    groups, contract_w = len(plan.network.groups), plan.network.contracted_w(Direction.IMPORT)
    last_w = _last_told(plan, told, groups)
    cap_w = np.full((groups, plan.cycle.horizon), np.inf, np.float32)
    for first in range(0, groups, GROUPS_AT_ONCE):
        some = range(first, min(first + GROUPS_AT_ONCE, groups))
        rows = slice(some.start, some.stop)
        cap_w[rows] = await _needed_of(plan, some, contract_w[rows], last_w[rows], grid)
    return cap_w


async def _needed_of(
    plan: Plan, groups: range, contract_w: Floats, last_w: NDArray[np.float64], grid: GridStore
) -> Floats:
    window = Window(plan.origin - DAYS * QUARTERS_PER_DAY, DAYS * QUARTERS_PER_DAY)
    used_w = np.maximum((await grid.loads("group", groups, window, plan.made_at)).sum(axis=1), 0.0)
    by_day = used_w.reshape(len(groups), DAYS, QUARTERS_PER_DAY).transpose(1, 0, 2)
    recent_w = by_day[:, :, np.arange(plan.cycle.horizon) % QUARTERS_PER_DAY].astype(np.float64)
    cap_w = need_cap(recent_w, contract_w.astype(np.float64))
    known = used_w[:, ~np.isnan(used_w).all(axis=0)]
    last_use_w = known[:, -1] if known.shape[1] else np.full(len(groups), np.nan)
    open_w = is_used_up(last_use_w.astype(np.float64), last_w)[:, None]
    few = (~np.isnan(recent_w)).sum(axis=0) < LEAST_DAYS
    return np.where(open_w | few, np.inf, cap_w)


def _last_told(plan: Plan, told: CapacityTable | None, groups: int) -> NDArray[np.float64]:
    """What each group held in the quarter before [W], (G,); infinite where nothing was told."""
    column = -1 if told is None else plan.origin - 1 - told.steps.first
    if told is None or not 0 <= column < told.steps.count:
        return np.full(groups, np.inf)
    assert told.kind is ForecastKind.CONSUMPTION
    last_w: NDArray[np.float64] = np.nan_to_num(told.capacity_w[:, column]).astype(np.float64)
    return last_w
