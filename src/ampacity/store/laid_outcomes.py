"""What decided requests let groups hold, laid over the quarters of a window."""

from collections.abc import Sequence

import asyncpg
import numpy as np

from ampacity.ports import Held
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")


def lay_outcomes(rows: Sequence[asyncpg.Record], groups: int, window: Window) -> Held:
    """What outcomes, one after the other, let groups hold in a window."""
    if not rows:  # most often; of a large grid this would be much memory
        none = np.broadcast_to(np.float32(np.nan), (groups, window.count))
        return Held(granted_w=none, returned_w=none)
    held = Held.nothing(groups, window.count)
    for row in rows:
        values = np.frombuffer(row["held_w"], _FLOAT)
        start, stop = max(row["first_quarter"], window.first), min(row["first_quarter"] + len(values), window.end)
        said = values[start - row["first_quarter"] : stop - row["first_quarter"]]
        where = slice(start - window.first, stop - window.first)
        into, other = held.granted_w, held.returned_w
        if row["is_return"]:
            into, other = other, into
        says = ~np.isnan(said)
        into[row["group_no"], where][says] = said[says]
        other[row["group_no"], where][says] = np.nan  # the newest word on a quarter holds
    return held
