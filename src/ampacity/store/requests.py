"""What providers asked for, and what it lets their groups hold."""

import numpy as np

from ampacity.network import ForecastKind
from ampacity.ports import Held
from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")


class PostgresRequests:
    """Requests, their events and outcomes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def held(self, kind: ForecastKind, groups: int, window: Window) -> Held:
        held = Held.nothing(groups, window.count)
        rows = await self._pool.fetch(sql("running_outcomes"), kind.value, window.first, window.end)
        for row in rows:
            values = np.frombuffer(row["held_w"], _FLOAT)
            start, stop = (
                max(row["first_quarter"], window.first),
                min(row["first_quarter"] + row["quarters"], window.end),
            )
            said = values[start - row["first_quarter"] : stop - row["first_quarter"]]
            where = slice(start - window.first, stop - window.first)
            into, other = (held.returned_w, held.granted_w) if row["is_return"] else (held.granted_w, held.returned_w)
            says = ~np.isnan(said)
            into[row["group_no"], where][says] = said[says]
            other[row["group_no"], where][says] = np.nan  # the newest word on a quarter holds
        return held
