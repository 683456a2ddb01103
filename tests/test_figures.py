"""Figures in 16 bits: nothing is lost on the way into the database and back, and rounding is on the safe side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ampacity.figures import LARGEST, coarsest, packed, round_down, round_off, round_up, unpacked
from ampacity.network import PHASES, Direction
from ampacity.store.pool import Pool
from ampacity.store.records import PostgresRecords

SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, max_side=7)
any_rows = arrays.arrays(np.float32, SHAPES, elements=st.floats(width=32))
watts = arrays.arrays(np.float32, SHAPES, elements=st.floats(-1e9, 1e9, width=32) | st.just(np.nan))


def bits16(rows: np.ndarray) -> int:
    """So many bytes they take in 16 bits each."""
    return rows.size * 2 + rows.size // rows.shape[-1]


@given(any_rows)
def test_what_is_packed_comes_back_as_it_was(rows):
    assert np.array_equal(unpacked(packed(rows), rows.shape), rows, equal_nan=True)


@given(any_rows)
def test_what_was_written_in_32_bits_is_read_as_it_was(rows):
    assert np.array_equal(unpacked(rows.tobytes(), rows.shape), rows, equal_nan=True)


@given(watts)
def test_rounded_figures_take_16_bits_and_are_not_rounded_again(rows):
    for round_ in (round_down, round_up, round_off):
        once = rows.copy()
        round_(once)
        again = once.copy()
        round_(again)

        assert len(packed(once)) == bits16(rows)
        assert np.array_equal(once, again, equal_nan=True)


@given(watts)
def test_rounding_moves_a_figure_by_no_more_than_a_step_and_to_its_side(rows):
    below, above, near = rows.copy(), rows.copy(), rows.copy()
    round_down(below)
    round_up(above)
    round_off(near)
    step = np.fmax.reduce(np.abs(rows), axis=-1, initial=0.0)[..., None] / (LARGEST // 2) + 1e-29

    known = ~np.isnan(rows)
    assert (below <= rows)[known].all()
    assert (above >= rows)[known].all()
    assert (above - below <= step)[known].all()
    assert (np.abs(near - rows) <= step / 2 * (1 + 1e-6))[known].all()
    assert all(np.array_equal(np.isnan(rows), np.isnan(each)) for each in (below, above, near))


@given(watts)
def test_rounding_on_steps_that_rows_share_keeps_their_order(rows):
    known_w = np.nan_to_num(rows)
    lower, middle, upper = np.sort(np.stack([known_w, known_w[::-1], known_w * np.float32(0.7)]), axis=0)
    lower[np.isnan(rows)] = middle[np.isnan(rows)] = upper[np.isnan(rows)] = np.nan  # as of a load that is not known
    steps = coarsest(lower, upper)
    round_down(lower, steps)
    round_off(middle, steps)
    round_up(upper, steps)

    known = ~np.isnan(rows)
    assert (lower <= middle)[known].all()
    assert (middle <= upper)[known].all()
    assert all(len(packed(each)) == bits16(rows) for each in (lower, middle, upper))


def test_rounding_a_view_that_it_could_not_change_is_refused():
    rows = np.ones((4, 3, 8), np.float32)
    with pytest.raises(ValueError, match=r"shape \(4, 2, 8\) do not lie in one piece"):
        round_down(rows[:, :2])


@pytest.mark.parametrize("is_rounded", [True, False], ids=["16 bits", "32 bits"])
async def test_the_database_cuts_rows_out_of_packed_figures(pool: Pool, is_rounded):
    rows = np.random.default_rng(3).normal(0, 1e4, (5, PHASES, 11)).astype(np.float32)
    rows[1, 0, 4] = np.nan
    if is_rounded:
        round_down(rows)
    figures = packed(rows)

    cut = await pool.fetchval("select rows_of_figures($1, 15, 11, 3, 6)", figures)

    assert len(figures) == (bits16(rows) if is_rounded else rows.nbytes)
    assert np.array_equal(unpacked(cut, (2, PHASES, 11)), rows[1:3], equal_nan=True)


async def test_a_cycle_writes_16_bits_a_figure(decided_pool: Pool):
    forecasts = await decided_pool.fetch(
        "select cardinality(levels) * subjects * 3 as rows, quarters, load_w from forecast_block"
    )
    rooms = await decided_pool.fetch("select subjects * 3 as rows, steps, direction, headroom_w from headroom_block")

    assert all(len(r["load_w"]) == r["rows"] * (1 + 2 * r["quarters"]) for r in forecasts)
    assert {d.value for d in Direction} < {r["direction"] for r in rooms}
    assert all(len(r["headroom_w"]) == r["rows"] * (1 + 2 * r["steps"]) for r in rooms)


async def test_people_read_forecasts_and_headroom_as_tables(decided_pool: Pool):
    records = PostgresRecords(decided_pool)
    _, room_w = await records.headroom(1, "import")
    median_w = await records.median(1, room_w.shape[2])

    rooms = await decided_pool.fetch(
        "select headroom_w from headroom_value where decision_id = 1 and direction = 'import'"
        " order by element_no, phase, start"
    )
    medians = await decided_pool.fetch(
        "select load_w from forecast_value where decision_id = 1 and level = 0.5 order by element_no, phase, start"
    )

    np.testing.assert_array_equal(np.array([r["headroom_w"] for r in rooms]), room_w.ravel())
    np.testing.assert_array_equal(np.nan_to_num([r["load_w"] for r in medians]), median_w.ravel())


async def test_a_figure_of_32_bits_is_read_as_well(pool: Pool):
    figures = packed(np.array([[np.pi, 1e-6], [2.5e8, -3.25]], np.float32))

    read = [await pool.fetchval("select figure_at($1, 2, 2, 1, $2)", figures, place) for place in (0, 1)]

    assert read == [2.5e8, -3.25]
