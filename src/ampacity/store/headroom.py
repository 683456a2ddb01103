"""Headroom that holds now: of the newest cycle or emergency."""

from datetime import datetime

import numpy as np

from ampacity.network import PHASES
from ampacity.ports import Floats, Steps
from ampacity.store.pool import Reader
from ampacity.store.sql import sql

_FLOAT = np.dtype("<f4")


async def read_headroom(connection: Reader, direction: str, made_before: datetime) -> tuple[Steps, Floats] | None:
    """Headroom [W], (E, 3, S), in one direction: import or export."""
    rows = await connection.fetch(sql("newest_headroom_blocks"), made_before, direction)
    if not rows:
        return None
    steps = Steps(first=rows[0]["first_quarter"], count=rows[0]["steps"], quarters=1)
    elements = max(r["first_no"] + r["subjects"] for r in rows)
    headroom_w = np.full((elements, PHASES, steps.count), np.nan, np.float32)
    for row in rows:
        if (row["first_quarter"], row["steps"]) == (steps.first, steps.count):
            block = np.frombuffer(row["headroom_w"], _FLOAT).reshape(row["subjects"], PHASES, row["steps"])
            headroom_w[row["first_no"] : row["first_no"] + row["subjects"]] = block
    return steps, headroom_w
