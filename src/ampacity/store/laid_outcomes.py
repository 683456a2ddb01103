"""What decided requests let groups hold, laid over the quarters of a window."""

from collections.abc import Sequence

import asyncpg
import numpy as np

from ampacity.ports import Held, NewlyHeld
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")


def newly_held(row: asyncpg.Record) -> NewlyHeld:
    """A row of `running_outcomes` as a record."""
    return NewlyHeld(
        group_no=row["group_no"], is_return=row["is_return"], first_quarter=row["first_quarter"],
        held_w=np.frombuffer(row["held_w"], _FLOAT),
    )  # fmt: skip


def lay_outcomes(rows: Sequence[asyncpg.Record], groups: int, window: Window) -> Held:
    """What outcomes, one after the other, let groups hold in a window."""
    if not rows:  # most often; of a large grid this would be much memory
        none = np.broadcast_to(np.float32(np.nan), (groups, window.count))
        return Held(granted_w=none, returned_w=none)
    held = Held.nothing(groups, window.count)
    for row in rows:
        held.lay(newly_held(row), window.first)
    return held
