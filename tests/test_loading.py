"""What groups load the grid with, added up in whatever pieces, and by whatever is remembered of a grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.allocation import element_load_w, forest, loading
from ampacity.allocation.forest import LARGEST, SMALLEST, plant

QUARTERS = 3


@st.composite
def grids(draw):
    """Parents, elements of groups, their shares of the phases and what they take."""
    elements, groups = draw(st.integers(1, 40)), draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parent = np.array([rng.integers(-1, e) if e else -1 for e in range(elements)], np.int64)
    new = rng.permutation(elements)  # so that what is upstream may stand behind
    shuffled = np.full(elements, -1)
    shuffled[new] = np.where(parent >= 0, new[parent], -1)
    share = rng.dirichlet(np.ones(3), groups) if draw(st.booleans()) else np.full((groups, 3), 1 / 3)
    return shuffled, rng.integers(0, elements, groups), share, rng.uniform(0, 1e5, (groups, QUARTERS))


def climbed(parent, element, share, group_w):
    """The same, group after group, from each up to the root."""
    load_w = np.zeros((len(parent), 3, group_w.shape[1]))
    for g in range(len(element)):
        at = element[g]
        while at >= 0:
            load_w[at] += share[g][:, None] * group_w[g]
            at = parent[at]
    return load_w


@given(grid=grids(), cells=st.integers(1, 200))
def test_loads_are_those_of_all_groups_behind_in_whatever_pieces_they_are_added_up(grid, cells):
    parent, element, share, group_w = grid

    whole_w = element_load_w(group_w, parent, element, share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "CELLS", cells)
        in_pieces_w = element_load_w(group_w, parent, element, share)

    np.testing.assert_allclose(whole_w, climbed(parent, element, share, group_w), rtol=1e-12, atol=1e-6)
    np.testing.assert_array_equal(whole_w, in_pieces_w)


@given(grid=grids())
def test_a_remembered_grid_gives_what_a_new_one_gives_and_cannot_be_changed(grid):
    parent, element, share, group_w = grid
    new_w = element_load_w(group_w, parent, element, share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "SMALLEST", 0)
        first_w, (planted, order, position) = element_load_w(group_w, parent, element, share), plant(parent)

        again = plant(parent.copy())

        assert again[0] is planted
        np.testing.assert_array_equal(order[position], np.arange(len(parent)))
        np.testing.assert_array_equal(element_load_w(group_w, parent.copy(), element.copy(), share), first_w)
    np.testing.assert_array_equal(first_w, new_w)
    with pytest.raises(ValueError, match="read-only"):
        order[:] = 0


@pytest.mark.parametrize("elements", [SMALLEST - 1, LARGEST + 1])
def test_a_large_grid_takes_no_memory_and_small_ones_drive_no_tree_out(elements):
    parent = np.zeros(elements, np.int64)
    parent[0] = -1

    assert plant(parent)[0] is not plant(parent)[0]
    load_w = element_load_w(np.ones((1, 1)), parent, np.array([5]), np.ones((1, 1)))
    assert load_w.nonzero()[0].tolist() == [0, 5]
