"""How much is worked on at a time changes no decision."""

import numpy as np

from ampacity.allocation import Smoothing
from ampacity.network import Direction
from ampacity.operations import decide, shares
from ampacity.ports import Held, Steps
from ampacity.simulation.district import DistrictPlan, district_network

GRID = district_network(DistrictPlan(homes=60, cables=6, cables_per_transformer=3, days=1, groups_per_cable=3))
QUARTERS = 40
RNG = np.random.default_rng(5)


def outlook(first: int) -> decide.Outlook:
    shape = (len(GRID.elements), 3, QUARTERS)
    room_w = {d: RNG.uniform(0, 9_000, shape).astype(np.float32) for d in Direction}
    far_w = {d: RNG.uniform(0, 3_000, (*shape[:2], 48)).astype(np.float32) for d in Direction}
    return shares.Outlook(
        steps=Steps(first=first, count=QUARTERS),
        headroom_w=room_w,
        pool_w={d: w * np.float32(0.1) for d, w in room_w.items()},
        median_w=RNG.uniform(0, 9_000, shape).astype(np.float32),
        fallback_steps=Steps(first=first, count=48, quarters=4),
        fallback_headroom_w=far_w,
        need_wh=RNG.uniform(0, 20_000, len(GRID.groups)),
        need_cap_w=np.where(RNG.random((len(GRID.groups), QUARTERS)) < 0.5, np.inf, 4_000.0).astype(np.float32),
    )


def test_a_few_quarters_at_a_time_lead_to_the_decision_of_all_at_once(monkeypatch):
    held = {d: Held.nothing(len(GRID.groups), QUARTERS) for d in Direction}
    held[Direction.IMPORT].granted_w[3, 5:9] = 2_500.0
    held[Direction.EXPORT].returned_w[1, 11:] = 500.0
    before = decide.decide(GRID, outlook(first=96), held, shares.Before())
    now = outlook(first=99)
    rules = Smoothing(cushion_fraction=0.1)  # by which a fall in one quarter concerns a group's others
    told = shares.Before(capacities={table.kind: table for table in before.tables}, rules=rules)

    at_once = decide.decide(GRID, now, held, told)
    monkeypatch.setattr(shares, "CELLS_AT_ONCE", 7 * len(GRID.groups))
    in_runs = decide.decide(GRID, now, held, told)

    assert [table.kind for table in in_runs.tables] == [table.kind for table in at_once.tables]
    for one, other in zip(in_runs.tables, at_once.tables, strict=True):
        np.testing.assert_array_equal(one.capacity_w, other.capacity_w)
        np.testing.assert_array_equal(one.bound_by, other.bound_by)
    new = decide.decide(GRID, now, held, shares.Before())
    assert any(not np.array_equal(a.capacity_w, b.capacity_w) for a, b in zip(at_once.tables, new.tables, strict=True))
