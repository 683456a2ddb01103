"""Grants that are not used lapse: what was asked for and is not drawn is open to others again."""

from collections.abc import Sequence

import numpy as np

from ampacity.allocation import is_unused
from ampacity.network import Direction, ForecastKind
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.shares import KIND_OF
from ampacity.ports import CapacityTable, CycleStore, Floats, GridStore, Ints, RequestStore, RunningGrant
from ampacity.timegrid import Window

LATE = 8  # quarters by which measurements of use may lag
GROUPS_AT_ONCE = 1024


async def lapsing(plan: Plan, grid: GridStore, cycles: CycleStore, requests: RequestStore) -> list[RunningGrant]:
    """Running grants of which little was used in each of the last measured quarters.

    What nobody measured is no proof, and the quarter in which a grant was decided does not
    count.  A grant that the grid could not serve in full is held against what its group
    was told for the quarter before.

    Args:
        plan: Of the cycle; `lapse_quarters` of its settings are looked at, with 0 none lapses.
        grid: Where the use is.
        cycles: Where it stands what was told until now.
        requests: Where the grants are.
    """
    quarters = plan.cycle.lapse_quarters
    if not quarters or await grid.load_span("group") is None:
        return []
    window = Window(plan.origin - quarters - LATE, quarters + LATE)
    grants = sorted(await requests.running_grants(plan.origin), key=lambda g: g.request_no)
    if not grants:
        return []
    told = await cycles.newest_capacities(len(plan.network.groups), plan.made_at, tuple(KIND_OF.values()))
    last_w = {kind: _last_told(table, plan.origin) for kind, table in told.items()}
    found = []
    for first in sorted({g.group_no // GROUPS_AT_ONCE * GROUPS_AT_ONCE for g in grants}):
        groups = range(first, min(first + GROUPS_AT_ONCE, len(plan.network.groups)))
        load_w = (await grid.loads("group", groups, window, plan.made_at)).sum(axis=1)
        mine = [g for g in grants if g.group_no in groups]
        found += [
            g for g in mine if _lapses(g, load_w[g.group_no - first], last_w.get(g.kind), window, plan.origin, quarters)
        ]
    return sorted(found, key=lambda g: g.request_no)


def ended_of(lapsed: Sequence[RunningGrant], kind: ForecastKind, groups: Ints) -> dict[int, str]:
    """Those of some groups whose grant lapses, and the id of its request: they are told with it."""
    mine = set(groups.tolist()) if lapsed else set()
    return {g.group_no: g.request_id for g in lapsed if g.kind is kind and g.group_no in mine}


def _lapses(
    grant: RunningGrant, load_w: Floats, last_w: Floats | None, window: Window, origin: int, quarters: int
) -> bool:
    """Whether one grant lapses; `load_w` (T,) is its group's use over the window, `last_w` (G,) what all were told."""
    ahead = grant.held_w[max(origin - grant.first_quarter, 0) :]
    if np.isnan(ahead).all():
        return False
    use_w = np.maximum(load_w if grant.kind is KIND_OF[Direction.IMPORT] else -load_w, 0.0)
    held_w = np.full(window.count, np.nan)
    start, stop = max(grant.first_quarter + 1, window.first), min(grant.end_quarter, window.end)
    if start < stop:
        said_w = grant.held_w[start - grant.first_quarter : stop - grant.first_quarter]
        held_w[start - window.first : stop - window.first] = said_w
    if last_w is not None:
        held_w = np.minimum(held_w, last_w[grant.group_no])
    known = np.flatnonzero(~np.isnan(use_w) & ~np.isnan(held_w))[-quarters:]
    if known.size < quarters:
        return False
    return bool(is_unused(use_w[None, known].astype(np.float64), held_w[None, known])[0])


def _last_told(table: CapacityTable, origin: int) -> Floats:
    """What each group was told for the quarter before [W], (G,); infinite where it was told nothing."""
    column = origin - 1 - table.steps.first
    if not 0 <= column < table.steps.count:
        return np.full(len(table.capacity_w), np.inf)
    last_w: Floats = np.nan_to_num(table.capacity_w[:, column], nan=np.inf).astype(np.float64)
    return last_w
