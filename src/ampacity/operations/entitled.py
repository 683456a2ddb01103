"""What groups are entitled to, kept as long as neither headroom nor grid change: who decides needs it each time."""

import weakref
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import entitled
from ampacity.network import Direction
from ampacity.operations.batch import Situation, room_during
from ampacity.ports import Floats, GridVersion, Ints


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """One direction of a tree; columns (G,) [W] by quarter hour."""

    headroom_w: "weakref.ref[Floats]"  # which is let go when nobody else keeps it
    version: GridVersion
    columns: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def during(self, situation: Situation, quarters: Ints) -> NDArray[np.float64]:
        """As of `Entitlements`; what is not known yet is worked out."""
        first, network = situation.window.first, situation.network
        missing = np.array([q for q in quarters.tolist() if first + q not in self.columns], np.int64)
        if missing.size:
            found_w = entitled(
                room_during(situation, missing), network.parent, network.element,
                np.asarray(network.phase_share, np.float64),
                np.asarray(network.contracted_w(situation.direction), np.float64),
                np.asarray(network.firm_w(situation.direction), np.float64),
            )  # fmt: skip
            for column, quarter in zip(found_w.T, missing.tolist(), strict=True):
                self.columns[first + quarter] = np.ascontiguousarray(column)
        entitled_w = np.empty((len(network.groups), len(quarters)))
        for place, quarter in enumerate(quarters.tolist()):
            entitled_w[:, place] = self.columns[first + quarter]
        return entitled_w


class KeptEntitlements:
    """Of all trees in which somebody asked since their headroom changed."""

    def __init__(self) -> None:
        self._trees: dict[tuple[int, Direction], _Tree] = {}

    def of(self, root_no: int, direction: Direction, headroom_w: Floats, version: GridVersion) -> _Tree:
        """Those of the tree of a root, whose headroom (the same array as long as it holds) and version are these."""
        self._trees = {key: tree for key, tree in self._trees.items() if tree.headroom_w() is not None}
        known = self._trees.get((root_no, direction))
        if known is None or known.headroom_w() is not headroom_w or known.version != version:
            known = self._trees[root_no, direction] = _Tree(headroom_w=weakref.ref(headroom_w), version=version)
        return known
