"""Trees decided batch by batch come out as when all are decided at once, to the bit."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import Smoothing
from ampacity.network import (
    Direction,
    Element,
    ElementId,
    ForecastKind,
    Group,
    GroupId,
    Network,
    PowerUnit,
    Provider,
    ProviderId,
)
from ampacity.network.batches import rows_of, runs, tree_batches
from ampacity.operations.decide_again import KeptBatch, KeptBatches, changed_rows, decide_again
from ampacity.operations.known import Known, Touched
from ampacity.operations.limit_shifts import LimitShifts
from ampacity.operations.shares import KIND_OF, Outlook
from ampacity.operations.trees import decide_part
from ampacity.ports import AwayGroups, CapacityTable, Emergency, Held, NewlyHeld, Steps
from ampacity.timegrid import Window, moment_of

FIRST = 1_960_000
STEPS = Steps(first=FIRST, count=12)
HOURS = Steps(first=FIRST, count=6, quarters=4)
RAISED = {e: np.full((3, 24), 9_000.0) for e in range(0, 3000, 7)}
SHIFTS = LimitShifts(window=Window(FIRST, 24), by_element=RAISED, cautious=RAISED)


def forest(elements: int, groups: int, seed: int, *, roots: int = 40) -> Network:
    """Trees of all sizes, their elements and groups in any order."""
    rng = np.random.default_rng(seed)
    parent = [-1 if i < roots else int(rng.integers(0, i)) for i in range(elements)]
    names = rng.permutation(elements)
    made = [
        Element(
            element_id=ElementId(f"e{names[i]}"), kind="cable", nominal_voltage_v=400.0, rated_power_va=None,
            parent_id=None if parent[i] < 0 else ElementId(f"e{names[parent[i]]}"),
            rated_current_a=float(rng.integers(50, 400)), phases=(1, 2, 3),
        )
        for i in range(elements)
    ]  # fmt: skip
    made.sort(key=lambda e: int(e.element_id[1:]))
    wanted_w = rng.integers(1, 60, groups) * 1000.0
    behind = [
        Group(
            group_id=GroupId(f"g{i}"), provider_id=ProviderId("p"), element_id=made[rng.integers(elements)].element_id,
            phases=((1, 2, 3), (1,), (2,))[int(rng.integers(3))], contracted_import_w=wanted_w[i],
            firm_import_w=wanted_w[i] * float(rng.choice([0.0, 0.15, 0.9])), contracted_export_w=wanted_w[i] / 2,
            firm_export_w=0.0, unit=PowerUnit.A,
        )
        for i in range(groups)
    ]  # fmt: skip
    return Network.of(made, behind, [Provider(provider_id=ProviderId("p"), name="P")])


def situation(network: Network, seed: int) -> tuple[Outlook, Known]:
    """Any headroom, pool, grants, capacities told before and an emergency."""
    rng = np.random.default_rng(seed)
    elements, groups = len(network.elements), len(network.groups)
    limit_w = network.limit_w(0.95)[:, :, None].astype(np.float32)

    def room(steps: Steps) -> dict[Direction, np.ndarray]:
        shape = (elements, 3, steps.count)
        return {d: (limit_w * rng.uniform(-0.1, 1.0, shape)).astype(np.float32) for d in Direction}

    def some(values: np.ndarray, share: float) -> np.ndarray:
        return np.where(rng.random(values.shape) < share, values, np.nan).astype(np.float32)

    headroom_w = room(STEPS)
    told_w = rng.integers(0, 20_000, (groups, STEPS.count)).astype(np.float32)
    bound_by = np.full(told_w.shape, -1)
    outlook = Outlook(
        steps=STEPS, headroom_w=headroom_w,
        pool_w={d: np.maximum(headroom_w[d] * 0.1, 0).astype(np.float32) for d in Direction},
        median_w=rng.normal(2000, 900, (elements, 3, STEPS.count)).astype(np.float32), fallback_steps=HOURS,
        fallback_headroom_w=room(HOURS), need_wh=rng.uniform(0, 90_000, groups),
    )  # fmt: skip
    held = {d: Held(granted_w=some(told_w * 2, 0.05), returned_w=some(told_w / 2, 0.05)) for d in Direction}
    told = {k: CapacityTable(kind=k, steps=STEPS, capacity_w=told_w, bound_by=bound_by) for k in KIND_OF.values()}
    imposed = [Emergency(int(rng.integers(elements)), 5_000.0, moment_of(FIRST + 5)) for _ in range(3)]
    gone = np.sort(rng.choice(groups, groups // 10, replace=False))
    away = AwayGroups(
        groups=gone, quarters=rng.integers(4, STEPS.count, len(gone)),
        told_w={d: some(rng.uniform(0, 9_000, (len(gone), STEPS.count)), 0.5) for d in Direction},
    )  # fmt: skip
    return outlook, Known(up_to=0, held=held, told=told, imposed=imposed, away=away)


def part_of(outlook: Outlook, elements: np.ndarray, groups: np.ndarray) -> Outlook:
    return replace(
        outlook,
        headroom_w={d: v[elements] for d, v in outlook.headroom_w.items()},
        pool_w={d: v[elements] for d, v in outlook.pool_w.items()},
        median_w=outlook.median_w[elements],
        fallback_headroom_w={d: v[elements] for d, v in outlook.fallback_headroom_w.items()},
        need_wh=outlook.need_wh[groups],
    )


@pytest.mark.parametrize("most_elements", [1, 100, 1000])
def test_three_thousand_elements_in_batches_are_decided_as_all_at_once_to_the_bit(most_elements):
    network = forest(3000, 2000, seed=most_elements)
    outlook, known = situation(network, seed=1)
    limit_w, rules = network.limit_w(0.95), Smoothing()
    tight, whole = decide_part(network, limit_w, SHIFTS, outlook, known, rules)

    batches = tree_batches(network, most_elements)

    assert len(batches) > 2
    for batch in batches:
        part = part_of(outlook, batch.elements, batch.groups)
        rests_on, decided = decide_part(
            batch.part(network), limit_w[batch.elements], SHIFTS.among(batch.elements), part, known.of(batch), rules
        )
        for direction in Direction:
            at_once = tight.headroom_w[direction][batch.elements], tight.pool_w[direction][batch.elements]
            assert at_once[0].tobytes() == rests_on.headroom_w[direction].tobytes()
            assert at_once[1].tobytes() == rests_on.pool_w[direction].tobytes()
        assert [t.kind for t in decided.tables] == [t.kind for t in whole.tables]
        for mine, all_of_it in zip(decided.tables, whole.tables, strict=True):
            assert mine.capacity_w.tobytes() == all_of_it.capacity_w[batch.groups].tobytes()
            assert np.array_equal(batch.in_the_whole(mine.bound_by), all_of_it.bound_by[batch.groups])
    consumption = whole.table(ForecastKind.CONSUMPTION)
    assert consumption is not None
    assert (consumption.capacity_w > 0).mean() > 0.2


@pytest.mark.parametrize(("seed", "is_away"), [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize("rules", [Smoothing(), Smoothing(cushion_fraction=0.05, rise_fraction=0.05)])
def test_the_quarters_in_which_groups_hold_something_else_are_decided_again_as_if_all_were_to_the_bit(
    seed, is_away, rules
):
    network = forest(120, 300, seed, roots=60)
    outlook, known = situation(network, seed)
    known = known if is_away else replace(known, away=None)
    limit_w, rng = network.limit_w(0.95), np.random.default_rng(seed)
    _, first = decide_part(network, limit_w, SHIFTS, outlook, replace(known, told={}), rules)
    known = replace(known, told={table.kind: table for table in first.tables})  # so that few fall
    rests_on, decided = decide_part(network, limit_w, SHIFTS, outlook, known, rules)
    kept = KeptBatch.of(network, rests_on, decided, is_away=is_away)

    changed = dict.fromkeys((ForecastKind.CONSUMPTION, ForecastKind.OPTIMUM), 0)

    for _ in range(6):
        known, touched = asked(known, rng)
        again = decide_again(kept, known, touched, rules)
        _, anew = decide_part(network, limit_w, SHIFTS, outlook, known, rules)

        for kind in changed:
            mine, whole, before = again.table(kind), anew.table(kind), kept.decided.table(kind)
            assert mine.capacity_w.tobytes() == whole.capacity_w.tobytes()
            assert np.array_equal(mine.bound_by, whole.bound_by)
            other = (whole.capacity_w != before.capacity_w) | (whole.bound_by != before.bound_by)
            assert np.array_equal(changed_rows(again, kept.decided, kind), other.any(axis=1))
            changed[kind] += int(other.sum())
        kept = kept.now(again)
        assert anew.table(ForecastKind.GENERATION).capacity_w.tobytes() == (
            decided.table(ForecastKind.GENERATION).capacity_w.tobytes()
        )
    assert min(changed.values()) > 0


def asked(known: Known, rng: np.random.Generator) -> tuple[Known, Touched]:
    """Requests of a few groups for a few quarters, decided somehow; also such as reach beyond what is planned."""
    held = {d: Held(granted_w=h.granted_w.copy(), returned_w=h.returned_w.copy()) for d, h in known.held.items()}
    touched = Touched(quarters={d: np.zeros(STEPS.count, bool) for d in Direction})
    for group_no in rng.choice(len(held[Direction.IMPORT].granted_w), 20, replace=False).tolist():
        newly = NewlyHeld(
            group_no=group_no, is_return=bool(rng.random() < 0.5), first_quarter=FIRST + int(rng.choice([-2, 4, 11])),
            held_w=np.where(rng.random(3) < 0.8, rng.uniform(0, 30_000, 3), np.nan).astype(np.float32),
        )  # fmt: skip
        touched.quarters[Direction.IMPORT][held[Direction.IMPORT].lay(newly, FIRST)] = True
    return replace(known, held=held), touched


def test_batches_are_kept_as_long_as_they_fit():
    network = forest(400, 300, 1, roots=3)
    outlook, known = situation(network, 1)
    kept = KeptBatch.of(network, *decide_part(network, network.limit_w(0.95), SHIFTS, outlook, known, Smoothing()),
                        is_away=True)  # fmt: skip
    _, touched = asked(known, np.random.default_rng(1))
    batches = KeptBatches(largest_mib=2.5 * kept.mib)

    for no in (0, 1, 2, 1):
        batches.keep(no, kept)

    assert [batches.get(no, touched) is kept for no in range(4)] == [True, True, False, False]
    touched.quarters[Direction.EXPORT][3] = True
    assert batches.get(0, touched) is None


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_every_tree_is_in_one_batch_with_its_groups(seed, most_elements):
    network = forest(60, 30, seed, roots=7)

    batches = tree_batches(network, most_elements)

    assert sorted(np.concatenate([b.elements for b in batches])) == list(range(60))
    assert sorted(np.concatenate([b.groups for b in batches])) == list(range(30))
    for batch in batches:
        part = batch.part(network)
        roots = set(network.root[batch.elements].tolist())
        assert len(batch.elements) <= most_elements or len(roots) == 1
        assert [e.element_id for e in part.elements] == [network.elements[e].element_id for e in batch.elements]
        upstream = batch.elements[part.parent[part.parent >= 0]]
        assert np.array_equal(upstream, network.parent[batch.elements[part.parent >= 0]])
        assert np.array_equal(batch.elements[part.element], network.element[batch.groups])


def test_neighbours_are_picked_without_a_copy():
    assert list(runs(np.array([3, 4, 5, 9, 11, 12]))) == [(3, slice(0, 3)), (9, slice(3, 4)), (11, slice(4, 6))]
    assert list(runs(np.zeros(0, np.int64))) == []
    assert rows_of(np.array([4, 5, 6])) == slice(4, 7)
    assert np.array_equal(rows_of(np.array([4, 6])), [4, 6])
    assert moment_of(FIRST) < datetime(2026, 12, 31, tzinfo=UTC)
