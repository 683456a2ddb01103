"""A server that decides quarter hours until it is killed: `python -m tests.cluster.server DSN`.

It runs the schedule of `ampacity serve` on a clock that shows the times it reads from its standard input.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime

from ampacity.app.schedule import Schedule
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.settings import CycleSettings
from ampacity.store.pool import connect

RULES = CycleSettings(elements_at_once=1200, lease_s=3.0, block_lease_s=2.0)


@dataclass
class ToldClock:
    """Shows the time that it was told last."""

    now: datetime
    speed: float = 10_000.0  # so that who waits for the next quarter hour looks often

    def __call__(self) -> datetime:
        return self.now


async def main(dsn: str) -> None:
    pool = await connect(dsn, max_size=8)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    clock = ToldClock(datetime.fromisoformat((await lines.readline()).decode().strip()))
    schedule = Schedule(store=Store(pool), settings=Settings(cycle=RULES), clock=clock, wake_sender=lambda: None)
    working = asyncio.create_task(schedule.run_cycles())
    while line := (await lines.readline()).decode().strip():
        clock.now = datetime.fromisoformat(line)
    working.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
