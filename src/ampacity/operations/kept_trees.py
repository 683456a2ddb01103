"""Trees as grids of their own, kept as long as the grid stays what it is: who decides needs them each time."""

from dataclasses import dataclass, field

import numpy as np

from ampacity.network import Network
from ampacity.network.batches import Batch


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What stands below one root."""

    root_no: int
    batch: Batch
    network: Network  # the tree as a grid of its own


@dataclass
class KeptTrees:
    """Of the grid that was asked about last, those that were asked for."""

    _network: Network | None = None
    _trees: dict[int, Tree] = field(default_factory=dict)

    def of(self, network: Network, root_no: int) -> Tree:
        """The tree of a root of a grid."""
        if network is not self._network:
            self._network, self._trees = network, {}
        known = self._trees.get(root_no)
        if known is None:
            in_tree = network.root == root_no
            batch = Batch(np.flatnonzero(in_tree), np.flatnonzero(in_tree[network.element]))
            known = self._trees[root_no] = Tree(root_no=root_no, batch=batch, network=batch.part(network))
        return known
