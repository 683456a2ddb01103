"""Capacities that were read before: who decides request after request reads only what was decided since."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import numpy as np

from ampacity.network import ForecastKind
from ampacity.ports import CapacityTable, Ints
from ampacity.store.decisions import lay_capacities
from ampacity.store.numbers import as_runs
from ampacity.store.pool import Connection
from ampacity.store.sql import sql

LARGEST_MIB = 512.0  # of all tables that are kept; beyond that those go that were not asked for the longest

_Key: TypeAlias = tuple[ForecastKind, bytes]


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """The capacities that held up to a decision of the chain."""

    base_id: int  # the cycle's decision
    seq: int
    table: CapacityTable

    @property
    def mib(self) -> float:
        return (self.table.capacity_w.nbytes + self.table.bound_by.nbytes) / 2**20


@dataclass
class KeptTables:
    """Tables of some groups and a kind.  They are exact: every decision is laid over them in the order of the chain."""

    largest_mib: float = LARGEST_MIB
    _kept: "OrderedDict[_Key, _Kept]" = field(default_factory=OrderedDict)

    async def read(
        self, connection: Connection, groups: Ints, kind: ForecastKind, made_before: datetime
    ) -> CapacityTable | None:
        """The capacities of a kind that hold for these groups, which ascend; nobody may change them."""
        key = kind, np.asarray(groups, np.int64).tobytes()
        known = self._kept.pop(key, None)
        seen = (None, None) if known is None else (known.base_id, known.seq)
        rows = await connection.fetch(sql("capacities_since"), made_before, kind.value, *as_runs(groups), *seen)
        if not rows:
            return None
        base_id, up_to = rows[0]["base_id"], rows[0]["up_to"]
        tables: dict[ForecastKind, CapacityTable] = {}
        if known is not None and known.base_id == base_id:
            tables[kind], up_to = _copy(known.table), known.seq if up_to is None else up_to
        for row in rows:
            if row["kind"] is not None:
                lay_capacities(row, groups, tables)
        table = tables.get(kind)
        if table is not None:
            self._keep(key, _Kept(base_id=base_id, seq=up_to, table=table))
        return table

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept[key] = kept
        while len(self._kept) > 1 and sum(k.mib for k in self._kept.values()) > self.largest_mib:
            self._kept.popitem(last=False)


def _copy(table: CapacityTable) -> CapacityTable:
    return CapacityTable(
        kind=table.kind, steps=table.steps, capacity_w=table.capacity_w.copy(), bound_by=table.bound_by.copy()
    )
