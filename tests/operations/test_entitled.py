"""What groups are entitled to is worked out once for each quarter of a headroom, and let go with it."""

from dataclasses import replace

import numpy as np
import pytest

from ampacity.allocation import entitled
from ampacity.network import Direction, ForecastKind
from ampacity.operations import entitled as kept_module
from ampacity.operations.batch import Situation, situation_of
from ampacity.operations.entitled import KeptEntitlements
from ampacity.ports import CapacityTable, GridVersion, Steps
from ampacity.timegrid import Window, moment_of
from tests.test_batches import FIRST, forest

GRID = forest(20, 30, seed=4, roots=6)
VERSION = GridVersion(element_changes=1, contract_changes=1)


def situation(headroom_w, first: int = FIRST) -> Situation:
    table = CapacityTable(
        kind=ForecastKind.CONSUMPTION, steps=Steps(first=FIRST, count=8),
        capacity_w=np.zeros((30, 8), np.float32), bound_by=np.full((30, 8), -1),
    )  # fmt: skip
    return situation_of(GRID, table, (Window(FIRST, 8), headroom_w), Direction.IMPORT, moment_of(first))


def anew(headroom_w, quarters):
    return entitled(
        headroom_w[:, :, quarters].astype(float), GRID.parent, GRID.element, GRID.phase_share.astype(float),
        GRID.contracted_w(Direction.IMPORT).astype(float), GRID.firm_w(Direction.IMPORT).astype(float),
    )  # fmt: skip


@pytest.fixture
def headroom_w():
    return np.random.default_rng(2).uniform(0, 60_000, (20, 3, 8)).astype(np.float32)


def test_what_is_kept_is_what_is_worked_out_anew_to_the_bit_also_a_quarter_later(headroom_w):
    kept = KeptEntitlements()
    for first, places, quarters in ((FIRST, [1, 4], [1, 4]), (FIRST + 1, [0, 3, 5], [1, 4, 6]), (FIRST, [], [])):
        tree = kept.of(0, Direction.IMPORT, headroom_w, VERSION)
        found_w = tree.during(situation(headroom_w, first), np.array(places, np.int64))
        assert found_w.shape == (30, len(quarters))
        assert found_w.tobytes() == np.ascontiguousarray(anew(headroom_w, quarters)).tobytes()
    assert found_w.size == 0
    assert anew(headroom_w, [1]).any()


def test_a_quarter_is_worked_out_once(headroom_w, monkeypatch):
    kept, times = KeptEntitlements(), []
    monkeypatch.setattr(kept_module, "entitled", lambda room_w, *rest: times.append(room_w.shape[2]) or entitled(
        room_w, *rest))  # fmt: skip
    for places in ([1, 2], [2, 3], [1, 3]):
        kept.of(0, Direction.IMPORT, headroom_w, VERSION).during(situation(headroom_w), np.array(places))
    assert times == [2, 1]


def test_another_headroom_or_contract_is_worked_out_anew(headroom_w):
    kept = KeptEntitlements()
    first = kept.of(0, Direction.IMPORT, headroom_w, VERSION)
    assert kept.of(0, Direction.IMPORT, headroom_w, VERSION) is first
    assert kept.of(0, Direction.EXPORT, headroom_w, VERSION) is not first
    assert kept.of(0, Direction.IMPORT, headroom_w, replace(VERSION, contract_changes=2)) is not first
    lower_w = headroom_w / 2
    found_w = kept.of(0, Direction.IMPORT, lower_w, VERSION).during(situation(lower_w), np.array([1]))
    assert np.array_equal(found_w, anew(lower_w, [1]))


def test_nothing_is_kept_of_a_headroom_that_nobody_holds_any_more():
    kept, other_w = KeptEntitlements(), np.zeros((20, 3, 8), np.float32)
    gone = np.ones((20, 3, 8), np.float32)
    tree = kept.of(0, Direction.IMPORT, gone, VERSION)
    assert tree.headroom_w() is gone
    del gone

    kept.of(1, Direction.IMPORT, other_w, VERSION)

    assert tree.headroom_w() is None
    assert kept.of(0, Direction.IMPORT, other_w, VERSION) is not tree
