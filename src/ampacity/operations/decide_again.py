"""Trees decided again where requests changed what their groups hold: only the quarters that this concerns.

Every quarter is shared out by itself.  What is kept steady hangs together only by who falls in any quarter; where
that is somebody else than before all quarters are settled anew, from the shares that are kept.  So a batch that is
still in memory comes to what deciding it anew as a whole comes to, to the bit, at a fraction of the cost; that is
what those wait for who ask while a cycle closes the gate.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Smoothing
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.away import drawn_w
from ampacity.operations.decide import FALLBACK_OF, Decided, optimum_of
from ampacity.operations.known import Known, Touched
from ampacity.operations.shares import Before, Outlook, Shared, Shares
from ampacity.operations.steady import Side
from ampacity.ports import CapacityTable

KEPT_MIB = 640.0  # of all batches: some 110,000 elements; the others are read again

_DIRECTION = Direction.IMPORT  # hardly anybody asks for the other one: its trees are decided anew


@dataclass(frozen=True, kw_only=True)
class KeptBatch:
    """What a batch of trees was decided from, and what was decided; its numbers are the batch's own."""

    network: Network
    outlook: Outlook  # of the one direction, with what emergencies take
    decided: Decided

    @classmethod
    def of(cls, network: Network, outlook: Outlook, decided: Decided, *, is_away: bool) -> "KeptBatch":
        """`is_away` tells whether somebody is planned with fallbacks there."""
        kinds = {ForecastKind.CONSUMPTION, ForecastKind.OPTIMUM, *(FALLBACK_OF.values() if is_away else ())}
        return cls(
            network=network,
            outlook=replace(
                outlook,
                headroom_w={_DIRECTION: outlook.headroom_w[_DIRECTION]},
                pool_w={_DIRECTION: outlook.pool_w[_DIRECTION]},
                fallback_headroom_w={},
            ),
            decided=replace(decided, tables=tuple(t for t in decided.tables if t.kind in kinds)),
        )

    def now(self, decided: Decided) -> "KeptBatch":
        """The same with what was decided otherwise."""
        kinds = {table.kind for table in decided.tables}
        others = [table for table in self.decided.tables if table.kind not in kinds]
        return replace(self, decided=replace(decided, tables=(*decided.tables, *others)))

    @property
    def mib(self) -> float:
        """How much memory it takes."""
        outlook, shared = self.outlook, self.decided.shared
        arrays: list[NDArray[Any]] = [outlook.headroom_w[_DIRECTION], outlook.pool_w[_DIRECTION], outlook.median_w]
        arrays += [] if shared is None else [shared.capacity_w, shared.bound_by, shared.falls]
        for table in self.decided.tables:
            arrays += [table.capacity_w, table.bound_by]
        return sum(a.nbytes for a in {id(a): a for a in arrays}.values()) / 2**20


class KeptBatches:
    """As many batches as fit, by their numbers."""

    def __init__(self, largest_mib: float = KEPT_MIB) -> None:
        self._left_mib, self._kept = largest_mib, dict[int, KeptBatch]()

    def keep(self, batch_no: int, kept: KeptBatch) -> None:
        """Keep a batch, where there is room for it."""
        self.forget(batch_no)
        if kept.mib <= self._left_mib:
            self._kept[batch_no] = kept
            self._left_mib -= kept.mib

    def forget(self, batch_no: int) -> None:
        """Keep a batch no longer."""
        if batch_no in self._kept:
            self._left_mib += self._kept.pop(batch_no).mib

    def get(self, batch_no: int, touched: Touched) -> KeptBatch | None:
        """A batch, if it is kept with all that is needed where it was touched."""
        others = [d for d in Direction if d is not _DIRECTION]
        return None if any(touched.quarters[d].any() for d in others) else self._kept.get(batch_no)


def decide_again(kept: KeptBatch, known: Known, touched: Touched, rules: Smoothing) -> Decided:
    """What is decided of a batch now; without the kinds that stay as they were.

    Args:
        kept: The batch as it was decided.
        known: Of its groups, now.
        touched: Where what they hold is another than it was then.
        rules: How steady to be.
    """
    outlook, was, before = kept.outlook, kept.decided.table(ForecastKind.CONSUMPTION), kept.decided.shared
    assert was is not None
    assert before is not None
    drawn = None
    if known.away is not None:
        kind = FALLBACK_OF[_DIRECTION]
        newest = kept.decided.table(kind) or known.told.get(kind)
        drawn = drawn_w(kept.network, known.away, _DIRECTION, outlook.steps, newest)
    told = Before(capacities=known.told, rules=rules)
    side = Side.of(kept.network, _DIRECTION)
    shares = Shares.of(side, outlook, known.held[_DIRECTION], told, drawn)
    shared = Shared(before.capacity_w.copy(), before.bound_by.copy(), before.falls.copy())
    spans = touched.spans(_DIRECTION)
    for some in spans:
        shared.lay(some, shares.during(some).shared_out())
    falling = shared.falling
    if not np.array_equal(falling, before.falling):
        spans = [slice(0, outlook.steps.count)]
    capacity_w, bound_by = was.capacity_w.copy(), was.bound_by.copy()
    for some in spans:
        said = shares.during(some).settled(shared.during(some), falling)
        capacity_w[:, some], bound_by[:, some] = said.capacity_w, said.bound_by
    now = replace(was, capacity_w=capacity_w, bound_by=bound_by)
    return Decided(tables=(now, _optimum_again(kept, now, told)), shared=shared)


def _optimum_again(kept: KeptBatch, now: CapacityTable, told: Before) -> CapacityTable:
    """The optimum, worked out again for the groups of which the capacity changed."""
    was, before = kept.decided.table(now.kind), kept.decided.table(ForecastKind.OPTIMUM)
    assert was is not None
    assert before is not None
    rows = np.flatnonzero((now.capacity_w != was.capacity_w).any(axis=1))
    capacity_w = before.capacity_w.copy()
    if rows.size:
        capacity_w[rows] = optimum_of(kept.network, kept.outlook, now, told, rows).capacity_w
    return replace(before, capacity_w=capacity_w, bound_by=now.bound_by)


def changed_rows(now: Decided, before: Decided, kind: ForecastKind) -> NDArray[np.bool_]:
    """Groups of which anything is decided otherwise than before, (G,)."""
    new, old = now.table(kind), before.table(kind)
    assert new is not None
    assert old is not None
    other: NDArray[np.bool_] = ((new.capacity_w != old.capacity_w) | (new.bound_by != old.bound_by)).any(axis=1)
    return other
