"""The meters of the demonstration: what was recorded for a quarter hour, and what the cars drew beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.app.clock import DataClock, sleep_until
from ampacity.app.session import Store
from ampacity.intake import InputFolder
from ampacity.network.settling import known_use
from ampacity.operations.settle_usage import settle_usage
from ampacity.timegrid import QUARTER, QUARTERS_PER_DAY, Window, floor_quarter, quarter_at

_WEEK = 7 * QUARTERS_PER_DAY
_LAG = 2  # quarters after which a meter tells: by then the providers have reported too
_LONGEST_LAG = 5  # what is not reported by then was not drawn


@dataclass(frozen=True, kw_only=True)
class Meters:
    """Tells each quarter hour what every element carried."""

    given: InputFolder
    store: Store
    clock: DataClock

    async def run(self) -> None:
        """Quarter after quarter, for ever."""
        done = quarter_at(self.clock()) - 1
        while True:
            now = self.clock()
            newest = quarter_at(now) - 1 - _LAG
            for quarter in range(done + 1, newest + 1):
                if not await self._tell(quarter, is_last_try=newest - quarter >= _LONGEST_LAG - _LAG):
                    break
                done = quarter
            await sleep_until(floor_quarter(now) + QUARTER, self.clock)

    async def _tell(self, quarter: int, *, is_last_try: bool) -> bool:
        """Tell a quarter's loads; False: a provider has yet to report what it drew then."""
        window = Window(quarter, 1)
        await settle_usage(self.store.usage, self.clock())
        network = self.given.network
        reported_w = await self.store.grid.loads(
            "group", range(len(network.groups)), Window(quarter - QUARTERS_PER_DAY, QUARTERS_PER_DAY + 1), self.clock()
        )
        used_w = known_use(reported_w)[:, :, -1:]
        exists = (network.phase_share > 0)[:, :, None]
        if np.isnan(used_w[exists]).any() and not is_last_try:
            return False
        used_w = np.nan_to_num(used_w)
        load_w = recorded_w(self.given, quarter) + network.behind(used_w)
        await self.store.grid.measure("element", 0, window, load_w.astype(np.float32), self.clock())
        return True


def recorded_w(given: InputFolder, quarter: int) -> NDArray[np.float32]:
    """The recorded load of a quarter [W], shape (E, 3, 1); behind the record's end that of a week before."""
    end = given.measurements.window.end
    weeks = max(0, -((end - 1 - quarter) // _WEEK))
    return given.measurements.over(Window(quarter - weeks * _WEEK, 1))
