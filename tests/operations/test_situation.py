"""The grid at a glance, and what is behind each of its numbers."""

import asyncio
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings
from ampacity.network import Direction, ForecastKind
from ampacity.operations import lookout as lookout_module
from ampacity.operations.element_view import element_view, why
from ampacity.operations.group_view import group_view
from ampacity.operations.lookout import Lookout
from ampacity.operations.overview import Wanted, counts, overview
from ampacity.operations.quality import element_quality, quality
from ampacity.operations.score_forecasts import score_forecasts
from ampacity.operations.settings import CycleSettings
from ampacity.operations.situation import Situation, State
from ampacity.operations.take_in import take_in
from ampacity.store.console import PostgresViews
from ampacity.store.postgres import PostgresGrid
from ampacity.store.quality import QualityStore
from tests.operations.test_cycle import AT, cycle, ports


@pytest.fixture
async def situation(decided_pool):
    return await Lookout(PostgresViews(decided_pool), PostgresGrid(decided_pool), 0.95).situation(AT)


async def test_the_tightest_quarter_is_the_least_of_all_phases_directions_and_quarters(decided_pool, situation):
    views = PostgresViews(decided_pool)

    for direction in Direction:
        window, room_w = await views.headroom(direction, range(3), AT)
        least_w = room_w[:, :, :96].min(axis=(1, 2))
        assert (situation.least_w <= least_w).all()
    e = 1
    direction = Direction.EXPORT if situation.least_export[e] else Direction.IMPORT
    window, room_w = await views.headroom(direction, range(3), AT)
    at = situation.least_quarter[e] - window.first
    assert room_w[e, situation.least_phase[e], at] == pytest.approx(situation.least_w[e])


async def test_it_is_the_same_made_piece_by_piece(decided_pool, situation, monkeypatch):
    monkeypatch.setattr(lookout_module, "ELEMENTS_AT_ONCE", 2)

    pieces = await Lookout(PostgresViews(decided_pool), PostgresGrid(decided_pool), 0.95).situation(AT)

    arrays = [f.name for f in fields(Situation) if isinstance(getattr(situation, f.name), np.ndarray)]
    assert {"state", "least_w", "least_quarter", "now_w", "past_w", "ahead_w"} <= set(arrays)
    for name in arrays:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(situation, name), err_msg=name)


async def test_it_is_made_at_leisure_until_somebody_waits(decided_pool, situation, monkeypatch):
    monkeypatch.setattr(lookout_module, "ELEMENTS_AT_ONCE", 1)
    monkeypatch.setattr(lookout_module, "_REST", 1e6)
    lookout = Lookout(PostgresViews(decided_pool), PostgresGrid(decided_pool), 0.95, patience_s=0.0)
    begun = asyncio.get_running_loop().time()
    making = asyncio.create_task(lookout.keep_ready(AT))

    done, _ = await asyncio.wait({making}, timeout=2.0)
    async with asyncio.timeout(30):
        seen = await lookout.situation(AT)
        worked_s = await making

    assert not done
    assert worked_s < asyncio.get_running_loop().time() - begun - 0.05  # its rest is no work
    np.testing.assert_array_equal(seen.least_w, situation.least_w)


async def test_without_elements_there_is_nothing_to_show(pool):
    situation = await Lookout(PostgresViews(pool), PostgresGrid(pool), 0.95).situation(AT)

    assert not overview(situation, Wanted()).rows


async def test_without_a_cycle_everything_is_unknown_and_the_list_still_shows(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)

    situation = await Lookout(PostgresViews(pool), grid, 0.95).situation(AT)

    assert counts(situation)[State.UNKNOWN] == 3
    assert [r.element_id for r in overview(situation, Wanted(sort="name")).rows] == ["c1", "c2", "t"]


async def test_a_situation_is_made_once_for_a_decision_and_anew_for_the_next(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    lookout = Lookout(PostgresViews(pool), on.grid, 0.95)
    empty = await lookout.situation(AT)
    await cycle(on)

    decided = await lookout.situation(AT)
    again = await lookout.situation(AT + timedelta(minutes=1))

    assert empty.newest is None
    assert decided.newest is not None
    assert again is decided


async def test_who_looks_while_it_is_made_anew_sees_the_one_before_and_that_is_known(decided_pool):
    lookout = Lookout(PostgresViews(decided_pool), PostgresGrid(decided_pool), 0.95, patience_s=0.0)
    first = await lookout.situation(AT)
    later = AT + timedelta(minutes=15)
    await cycle(ports(decided_pool), later)
    before = lookout.was_behind()

    shown = await lookout.situation(later)

    assert shown is first
    assert (before, lookout.was_behind()) == (False, True)
    assert (await lookout.renewed(later)).newest.slot == later


async def test_a_list_is_filtered_sorted_and_paged(situation):
    everything = overview(situation, Wanted())
    under = overview(situation, Wanted(under="c1"))
    words = overview(situation, Wanted(words="C2"))
    mine = overview(situation, Wanted(provider="harbour", sort="name"))
    second = overview(situation, Wanted(per_page=2, page=2))
    beyond = overview(situation, Wanted(per_page=2, page=99))

    least = [r.least_w for r in everything.rows]
    assert least == sorted(least)
    assert [r.element_id for r in under.rows] == ["c1"]
    assert [r.element_id for r in words.rows] == ["c2"]
    assert [r.element_id for r in mine.rows] == ["c1", "t"]
    assert (len(second.rows), second.pages, second.found) == (1, 2, 3)
    assert beyond.page == 2


async def test_alarms_roll_up_to_the_root(situation):
    states = np.array([State.OK, State.OVER, State.TIGHT])

    below = replace(situation, state=states).below

    assert below[0].tolist() == [1, 1, 0, 1]
    assert below[1].tolist() == [1, 0, 0, 0]


async def test_the_sum_behind_a_quarter_adds_up_to_what_was_decided(decided_pool, situation):
    view = await element_view(situation, 1, 1, views=PostgresViews(decided_pool), grid=PostgresGrid(decided_pool))

    for direction in Direction:
        for ahead in (0, 40, 90):
            told = why(view, view.now_quarter + ahead, direction)
            assert told.limit_w - told.median_w - told.margin_w == pytest.approx(told.headroom_w)
            assert told.margin_w > 0
            assert sum(w for _, w in told.shares) + told.kept_w == pytest.approx(told.headroom_w)
            assert told.kept_w >= -1
    assert why(view, view.now_quarter + 10_000, Direction.IMPORT) is None


async def test_an_element_shows_what_was_measured_behind_and_what_is_forecast_ahead(decided_pool, situation, given):
    view = await element_view(situation, 1, 0, views=PostgresViews(decided_pool), grid=PostgresGrid(decided_pool))

    place = view.column(view.now_quarter)
    assert np.allclose(view.measured_w[:place], given.measurements.load_w[1, 0, -192:])
    assert np.isnan(view.measured_w[place:]).all()
    assert not np.isnan(view.upper_w[place:]).any()
    assert (view.lower_w[place:] <= view.upper_w[place:]).all()
    assert [s.group_id for s in view.shares] == ["north-c1", "harbour-c1"]


async def test_a_group_shows_what_held_when_decisions_followed_one_another(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    await cycle(on)
    first = (await on.cycles.newest_capacities(3, AT))[ForecastKind.CONSUMPTION].capacity_w[0]
    later = AT + timedelta(minutes=30)
    await cycle(on, later)
    second = (await on.cycles.newest_capacities(3, later))[ForecastKind.CONSUMPTION].capacity_w[0]
    views = PostgresViews(pool)
    situation = await Lookout(views, on.grid, 0.95).situation(later)

    view = await group_view(situation, 0, views=views, grid=on.grid)

    line = view.lines[ForecastKind.CONSUMPTION]
    here = view.column(view.now_quarter)
    assert line.capacity_w[here - 2 : here].tolist() == first[:2].tolist()
    assert line.capacity_w[here : here + 120].tolist() == second.tolist()
    assert line.first_told_w[here : here + 118].tolist() == first[2:].tolist()
    assert set(line.decision[here - 2 : here + 120].tolist()) == {1, 2}
    assert {m.state for m in view.messages} == {"waiting"}


async def test_what_was_scored_is_shown_by_lead(pool, given):
    on = ports(pool)
    await take_in(given, grid=on.grid, now=AT)
    await cycle(on, AT - timedelta(days=2))
    await cycle(on)
    scores = QualityStore(pool)
    views = PostgresViews(pool)
    situation = await Lookout(views, on.grid, 0.95).situation(AT)
    before = await quality(situation, views=views, scores=scores)

    await score_forecasts(
        AT, grid=on.grid, cycles=on.cycles, quality=scores, forecast=ForecastSettings(), cycle=CycleSettings()
    )

    found = await quality(situation, views=views, scores=scores)
    one = await element_quality(situation, 1, scores)
    assert before.by_lead == []
    assert sum(s.values for s in found.by_lead) == 3 * 3 * 96 == 3 * sum(s.values for s in one.by_lead)
    assert all(0 <= s.exceeded <= 0.2 and s.error_w > 0 and s.margin_w > 0 for s in found.by_lead)
    assert {e.element_id for e in found.worst} == {"t", "c1", "c2"}
