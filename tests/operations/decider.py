"""A process that decides on requests until it is killed: `python -m tests.operations.decider DSN TIME`."""

import asyncio
import sys
from datetime import datetime

from ampacity.errors import AmpacityError
from ampacity.operations.adjust import decide_waiting
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresGrid
from ampacity.store.requests import PostgresRequests


async def main(dsn: str, at: datetime) -> None:
    pool = await connect(dsn, max_size=3)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        try:
            await decide_waiting(at, grid=PostgresGrid(pool), requests=PostgresRequests(pool))
        except AmpacityError as told:
            sys.stderr.write(f"{told}\n")
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
