"""The grid is drawn from its coordinates, or as a tree where there are none; a state is a shape, not only a colour."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ampacity.console.calibration import LEFT, SIZE, calibration_plot, is_off
from ampacity.console.drawn import has_places, map_of, thumbnail, tree_of
from ampacity.operations.lookout import Lookout
from ampacity.operations.overview import element_row
from ampacity.operations.quality import LevelScore
from ampacity.operations.situation import State
from ampacity.store.console import PostgresViews
from ampacity.store.postgres import PostgresGrid
from tests.operations.test_cycle import AT


@pytest.fixture
async def situation(decided_pool):
    found = await Lookout(PostgresViews(decided_pool), PostgresGrid(decided_pool), 0.95).situation(AT)
    return replace(found, state=np.array([State.OK, State.OVER, State.TIGHT]))


def placed(situation):
    places = [(52.0, 5.0), (52.01, 5.0), (52.0, 5.02)]
    elements = tuple(
        replace(e, latitude=lat, longitude=lon)
        for e, (lat, lon) in zip(situation.network.elements, places, strict=True)
    )
    return replace(situation, network=replace(situation.network, elements=elements))


async def test_a_map_has_north_up_east_right_and_true_distances(situation):
    drawing = map_of(placed(situation), range(3))

    at = {n.element_id: n for n in drawing.nodes}
    assert has_places(placed(situation))
    assert not has_places(situation)
    assert at["c1"].y < at["t"].y
    assert at["c2"].x > at["t"].x
    north, east = at["t"].y - at["c1"].y, at["c2"].x - at["t"].x
    assert east / north == pytest.approx(2 * np.cos(np.radians(52.0)), rel=0.01)
    assert at["c1"].parent == (at["t"].x, at["t"].y)


async def test_a_tree_stands_to_the_right_of_its_root_each_leaf_on_a_line_of_its_own(situation):
    drawing = tree_of(situation, None)

    at = {n.element_id: n for n in drawing.nodes}
    assert at["t"].x < at["c1"].x == at["c2"].x
    assert at["c1"].y != at["c2"].y
    assert drawing.left_out == 0


async def test_every_state_has_a_shape_of_its_own(situation):
    nodes = tree_of(situation, None).nodes

    assert len({str(n.shape) for n in nodes}) == 3
    assert {n.state_word for n in nodes} == {"ok", "over limit", "tight"}


async def test_a_thumbnail_leaves_gaps_where_nothing_is_known(situation):
    row = element_row(situation, 1)
    gap = replace(row, past_w=np.where(np.arange(24) == 5, np.nan, row.past_w))
    nothing = replace(row, past_w=np.full(24, np.nan), ahead_w=np.full(24, np.nan))

    assert str(thumbnail(gap)).count("M") == str(thumbnail(row)).count("M") + 1
    assert "nan" not in str(thumbnail(nothing))


def passed(level: float, promised: float, observed: float) -> LevelScore:
    return LevelScore(level=level, values=10_000, promised=promised, observed=observed)


def test_a_quantile_that_keeps_its_promise_stands_on_the_line():
    drawn = str(calibration_plot([passed(0.99, 0.01, 0.01), passed(0.5, 0.5, 0.5), passed(0.05, 0.05, 0.05)]))

    for x, y in re.findall(r'transform="translate\(([\d.]+) ([\d.]+)\)"', drawn):
        assert float(x) - LEFT == pytest.approx(SIZE - (float(y) - 10), abs=0.2)
    assert drawn.count('class="mark kept"') == 3


def test_a_quantile_passed_more_than_twice_as_often_is_marked_and_never_falls_off_the_plot():
    scores = [passed(0.99, 0.01, 0.021), passed(0.95, 0.05, 0.0), passed(0.5, 0.5, 1.0)]

    drawn = str(calibration_plot(scores))

    assert [is_off(s) for s in scores] == [True, False, False]
    assert drawn.count('class="mark over"') == 1
    heights = [float(y) for _, y in re.findall(r"translate\(([\d.]+) ([\d.]+)\)", drawn)]
    assert all(10 <= y <= 10 + SIZE for y in heights)
    assert "above the 99 % quantile: promised 1 %, was 2.1 %" in drawn
