"""Headroom that holds now: of the newest cycle or emergency."""

from datetime import datetime

import numpy as np

from ampacity.network import PHASES
from ampacity.ports import Floats, Ints
from ampacity.store.numbers import as_runs, rows_taken
from ampacity.store.pool import Reader
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")


async def read_headroom(
    connection: Reader, direction: str, made_before: datetime, elements: Ints | None = None
) -> tuple[Window, Floats] | None:
    """Headroom [W], (E, 3, S), in one direction, import or export, of all elements or of these, which ascend."""
    of = (None, None) if elements is None else as_runs(elements)
    rows = await connection.fetch(sql("newest_headroom_blocks"), made_before, direction, *of)
    if not rows:
        return None
    window = Window(rows[0]["first_quarter"], rows[0]["steps"])
    numbers = np.arange(max(r["first_no"] + r["subjects"] for r in rows)) if elements is None else elements
    headroom_w = np.full((len(numbers), PHASES, window.count), np.nan, np.float32)
    for row in rows:
        into, taken = rows_taken(numbers, row["first_no"], row["subjects"])
        headroom_w[into] = np.frombuffer(row["headroom_w"], _FLOAT).reshape(-1, PHASES, window.count)[taken]
    return window, headroom_w
