"""Headroom that holds now: of the newest cycle or emergency."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import asyncpg
import numpy as np

from ampacity.figures import unpacked
from ampacity.network import PHASES
from ampacity.ports import Floats, Ints
from ampacity.store.numbers import as_runs, rows_taken
from ampacity.store.pool import Reader
from ampacity.store.sql import sql
from ampacity.timegrid import Window

LARGEST_MIB = 512.0  # of all that is kept; beyond that goes what was not asked for the longest

_Key: TypeAlias = tuple[str, bytes]


async def read_headroom(
    connection: Reader, direction: str, made_before: datetime, elements: Ints | None = None
) -> tuple[Window, Floats] | None:
    """Headroom [W], (E, 3, S), in one direction, import or export, of all elements or of these, which ascend."""
    found = await _read(connection, direction, made_before, elements)
    return None if found is None else (found.window, found.headroom_w)


async def _read(connection: Reader, direction: str, made_before: datetime, elements: Ints | None) -> "_Kept | None":
    of = (None, None) if elements is None else as_runs(elements)
    rows = await connection.fetch(sql("newest_headroom_blocks"), made_before, direction, *of)
    if not rows:
        return None
    return await asyncio.to_thread(_laid, rows, elements)  # megabytes: the event loop goes on meanwhile


def _laid(rows: Sequence[asyncpg.Record], elements: Ints | None) -> "_Kept":
    window = Window(rows[0]["first_quarter"], rows[0]["steps"])
    numbers = np.arange(max(r["first_no"] + r["subjects"] for r in rows)) if elements is None else elements
    headroom_w = np.full((len(numbers), PHASES, window.count), np.nan, np.float32)
    for row in rows:
        into, taken = rows_taken(numbers, row["first_no"], row["subjects"])
        headroom_w[into] = unpacked(row["headroom_w"], (row["subjects"], PHASES, window.count))[taken]
    return _Kept(decision_id=rows[0]["decision_id"], window=window, headroom_w=headroom_w)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What a decision, which never changes, says of the headroom of some elements."""

    decision_id: int
    window: Window
    headroom_w: Floats


@dataclass
class KeptRooms:
    """Headroom that was read before: who decides request after request reads it once after each cycle."""

    largest_mib: float = LARGEST_MIB
    _kept: "OrderedDict[_Key, _Kept]" = field(default_factory=OrderedDict)

    async def read(
        self, connection: Reader, direction: str, made_before: datetime, elements: Ints
    ) -> tuple[Window, Floats] | None:
        """As `read_headroom` of these elements; nobody may change it."""
        key = direction, np.asarray(elements, np.int64).tobytes()
        known = self._kept.pop(key, None)
        if known is not None:
            newest = await connection.fetchval(sql("newest_headroom_decision"), made_before)
            known = known if newest == known.decision_id else None
        if known is None:
            known = await _read(connection, direction, made_before, elements)
        if known is None:
            return None
        self._kept[key] = known
        while len(self._kept) > 1 and sum(k.headroom_w.nbytes for k in self._kept.values()) > self.largest_mib * 2**20:
            self._kept.popitem(last=False)
        return known.window, known.headroom_w
