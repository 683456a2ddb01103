"""A prepared fleet of 3,000 elements, servers on it in processes of their own, and what they decided."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from ampacity.app.bench_dso import prepare_dso
from ampacity.app.settings import Settings
from ampacity.operations.cycle import run_cycle
from ampacity.simulation import dso
from ampacity.store.intake_bench import connect_bench_peers
from ampacity.store.pool import Pool, connect
from ampacity.timegrid import QUARTER, QUARTERS_PER_DAY, Window, quarter_at
from tests.cluster.server import RULES
from tests.operations.test_cycle import ports

CABLES = 2716
ELEMENTS = 3000
SLOTS = 22  # prepared, after the first one
PLAN = dso.DsoPlan(cables=CABLES)
FIRST = PLAN.sampled.window.end_moment
SOON_S = 240.0  # of a quarter hour's 900; usually a few seconds
LOOK_S = 0.01


def slot(k: int) -> datetime:
    return FIRST + k * QUARTER


async def prepare(dsn: str) -> None:
    """Substations of 500 cables each, two groups on every third cable; the first quarter hour is decided."""
    settings = Settings(cycle=RULES)
    per_substation, dso.FEEDERS_PER_SUBSTATION = dso.FEEDERS_PER_SUBSTATION, 1
    try:
        await prepare_dso(dsn, PLAN, settings, lambda *_: None)
    finally:
        dso.FEEDERS_PER_SUBSTATION = per_substation
    pool = await connect(dsn, max_size=4)
    await connect_bench_peers(pool, "http://127.0.0.1:1", b"")
    on = ports(pool)
    assert len((await on.grid.network()).elements) == ELEMENTS
    for k in range(SLOTS):  # those of a week before, each known when its quarter hour has ended
        old = Window(quarter_at(slot(k)) - 7 * QUARTERS_PER_DAY, 1)
        load_w = await on.grid.loads("element", range(ELEMENTS), old, slot(k))
        await on.grid.measure("element", 0, Window(quarter_at(slot(k)), 1), load_w, slot(k + 1))
    await run_cycle(FIRST, ports=on, forecast=settings.forecast.build(), cycle=RULES)
    await pool.close()


async def decided(pool: Pool) -> list[tuple[datetime, str]]:
    """What each quarter hour came to, in a digest of all but the numbers of its decisions."""
    rows = await pool.fetch(
        """
        select c.slot, md5(concat_ws('|', d.summary,
            (select string_agg(md5(concat_ws('|', first_no, subjects, levels)), '' order by first_no)
                || string_agg(md5(load_w || source), '' order by first_no) from forecast_block b
                where b.decision_id = d.decision_id),
            (select string_agg(md5(headroom_w), '' order by direction, first_no) from headroom_block b
                where b.decision_id = d.decision_id),
            (select string_agg(md5(capacity_w || bound_by), '' order by kind, first_no) from allocation_block b
                where b.decision_id = d.decision_id),
            (select string_agg(concat_ws('|', kind, group_no, until_quarter), '' order by kind, group_no)
                from outbound_forecast b where b.decision_id = d.decision_id))) as digest
        from cycle c join decision d using (decision_id) order by c.slot
        """
    )
    return [(r["slot"], r["digest"]) for r in rows]


@dataclass
class Servers:
    """Servers on one database, each in a process of its own."""

    dsn: str
    log: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    now: datetime | None = None

    async def start(self) -> None:
        """Start one more, and tell it the time."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.cluster.server", self.dsn,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", *sys.path[:1]])},
            )  # fmt: skip
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), SOON_S) == b"ready\n"
        self.running.append(process)
        if self.now is not None:
            _tell(process, self.now)

    def tell(self, now: datetime) -> None:
        """What time it is."""
        self.now = now
        for process in self.running:
            _tell(process, now)

    async def kill(self, number: int) -> None:
        process = self.running.pop(number)
        process.kill()
        await process.wait()


def _tell(process: asyncio.subprocess.Process, now: datetime) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{now.isoformat()}\n".encode())


@asynccontextmanager
async def servers(dsn: str, count: int, log: Path) -> AsyncIterator[Servers]:
    """So many servers, which are told no time yet; they end with the block."""
    here = Servers(dsn, log)
    try:
        await asyncio.gather(*(here.start() for _ in range(count)))
        yield here
    finally:
        while here.running:
            await here.kill(0)


async def until_decided(dsn: str, at: datetime) -> float:
    """Wait until a quarter hour is decided, also where the database is away meanwhile; gives the seconds."""
    begun = time.monotonic()
    while time.monotonic() - begun < SOON_S:
        try:
            connection = await asyncpg.connect(dsn)
            try:
                while time.monotonic() - begun < SOON_S:
                    if await connection.fetchval("select decision_id from cycle where slot = $1", at) is not None:
                        return time.monotonic() - begun
                    await asyncio.sleep(LOOK_S)
            finally:
                await connection.close(timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.1)
    raise TimeoutError(f"{at.isoformat()} is not decided after {SOON_S:g} s")


async def until_left(pool: Pool, at: datetime, blocks: int) -> None:
    """Wait until a cycle is under way with no more than so many blocks that nobody has taken."""
    state = """
        select c.plan is not null and c.decision_id is null and (select count(*) from cycle_block b
            where b.holder = c.claimed_by and b.taken_by is null) <= $2
        from cycle c where c.slot = $1
    """
    begun = time.monotonic()
    while not await pool.fetchval(state, at, blocks):
        if time.monotonic() - begun > SOON_S:
            raise TimeoutError(f"{at.isoformat()} did not come to {blocks} blocks")
        await asyncio.sleep(LOOK_S)


def on_time(seconds: Sequence[float]) -> str:
    """How long quarter hours took, for the report of the tests."""
    return f"longest {max(seconds):.1f} s, mean {sum(seconds) / len(seconds):.1f} s"
