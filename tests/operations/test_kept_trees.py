"""A tree is laid out once, and anew when the grid is another."""

import numpy as np

from ampacity.operations.kept_trees import KeptTrees
from tests.test_batches import forest


def test_a_tree_is_kept_as_long_as_the_grid_is_the_same():
    grid, other, kept = forest(20, 30, seed=4, roots=6), forest(24, 30, seed=5, roots=6), KeptTrees()
    roots = np.unique(grid.root).tolist()
    trees = {root: kept.of(grid, root) for root in roots}

    assert all(kept.of(grid, root) is tree for root, tree in trees.items())
    assert sorted(np.concatenate([t.batch.elements for t in trees.values()])) == list(range(20))
    assert sorted(np.concatenate([t.batch.groups for t in trees.values()])) == list(range(30))
    for root, tree in trees.items():
        assert (grid.root[tree.batch.elements] == root).all()
        assert [g.group_id for g in tree.network.groups] == [grid.groups[g].group_id for g in tree.batch.groups]
    anew = kept.of(other, roots[0])
    assert [e.element_id for e in anew.network.elements] == [other.elements[e].element_id for e in anew.batch.elements]
    assert kept.of(grid, roots[0]) is not trees[roots[0]]
