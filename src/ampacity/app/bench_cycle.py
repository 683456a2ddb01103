"""`ampacity bench cycle`: one publication cycle over made-up elements in a database of its own."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msgspec import structs

from ampacity.app.bench_apart import apart
from ampacity.app.bench_kept import last_slot
from ampacity.app.bench_sink import sink
from ampacity.app.clock import wall_clock
from ampacity.app.engine import LOCAL, open_engine
from ampacity.app.memory import give_back, peak_mib
from ampacity.app.peering import build_peering
from ampacity.app.processor_time import processor_s
from ampacity.app.progress import tell
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.network import ForecastKind
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.prepare_bases import prepare_bases
from ampacity.oscp.settings import OscpSettings
from ampacity.ports import CycleRecord, Engine, GridStore
from ampacity.store.cycle_bench import log_position
from ampacity.store.intake_bench import connect_bench_peers
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.timegrid import QUARTER, QUARTERS_PER_DAY, Window, quarter_at

USUAL_CYCLES = 3
BENCH_SECRET = "bench " * 8  # of a database that is dropped at the end


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What delivering the messages of the first cycle, and of a usual one, through the outbox took."""

    first_messages: int
    first_per_s: float
    usual_messages: int
    usual_s: float


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one cycle took, and what its process took at most until then."""

    total_s: float
    peak_mib: float


@dataclass(frozen=True, kw_only=True)
class CycleBench:
    """What a usual cycle took, models at hand: the middle one of a few in a server that runs."""

    elements: int
    groups: int
    messages: int
    stages: dict[str, float]  # seconds of work; stages overlap
    total_s: float  # from the first read to the last row committed
    processor_s: float  # of the process that decides
    database_processor_s: float | None  # of PostgreSQL; none where it runs elsewhere
    log_mib: float  # that PostgreSQL wrote to its log
    peak_mib: float
    with_fallbacks: Taken  # a cycle that decides fallbacks too, as one does every day
    first: Taken | None  # which decides fallbacks, and fits models where none are copied; none in a kept database
    restarted_s: float  # the first cycle of a new process, nothing kept in memory yet
    bases_s: float  # beside the cycles, five times a day: the daily forecasts that the next hours rest on
    sent: Sent | None = None
    models_copied: bool = False  # so that the first cycle fitted none


def run_apart(
    dsn: str, at: datetime, settings: Settings, *, send: bool = False, models_copied: bool = False, engine: str = LOCAL
) -> CycleBench:
    """Run the first cycle, then usual ones, each in a process of its own, whose memory is the cycles' alone.

    Where the database was kept from an earlier run they go on from its last cycle.
    """
    last: datetime | None = apart(last_slot, dsn, at)
    first: _Cycle | None = apart(_first, dsn, at, settings, engine) if last is None else None
    at = at if last is None else last
    if not send:
        usual, _, bases_s = apart(_usual, dsn, at, settings, None, engine)
        return replace(_outcome(first, usual, bases_s, None, 0), models_copied=models_copied)
    with sink() as peer:
        usual, sent, bases_s = apart(_usual, dsn, at, settings, peer.port, engine)
        return replace(_outcome(first, usual, bases_s, sent, peer.count()), models_copied=models_copied)


@dataclass(frozen=True, kw_only=True)
class _Cycle:
    record: CycleRecord
    elements: int
    groups: int
    total_s: float
    peak_mib: float
    processor_s: float
    database_processor_s: float | None
    log_mib: float

    @property
    def taken(self) -> Taken:
        return Taken(total_s=round(self.total_s, 3), peak_mib=round(self.peak_mib, 1))


def _outcome(
    first: _Cycle | None, cycles: list[_Cycle], bases_s: float, sent: Sent | None, delivered: int
) -> CycleBench:
    restarted, *others, with_fallbacks = cycles
    middle = sorted(others, key=lambda c: c.total_s)[len(others) // 2]
    if sent is not None and delivered != sent.first_messages + sent.usual_messages:
        raise NotReady(f"{sent.first_messages + sent.usual_messages} messages were sent, {delivered} arrived")
    return CycleBench(
        elements=middle.elements,
        groups=middle.groups,
        messages=int(str(middle.record.summary["messages"])),
        stages={name: round(s, 3) for name, s in middle.record.stages.items()},
        total_s=round(middle.total_s, 3),
        processor_s=middle.processor_s,
        database_processor_s=middle.database_processor_s,
        log_mib=middle.log_mib,
        peak_mib=round(others[-1].peak_mib, 1),
        with_fallbacks=with_fallbacks.taken,
        first=None if first is None else first.taken,
        restarted_s=round(restarted.total_s, 3),
        bases_s=round(bases_s, 3),
        sent=sent,
    )


async def _first(dsn: str, at: datetime, settings: Settings, address: str) -> _Cycle:
    pool = await connect(dsn)
    try:
        async with open_engine(address) as engine:
            return await measure(at, ports_of(pool, engine), settings, pool)
    finally:
        await pool.close()


async def _usual(
    dsn: str, at: datetime, settings: Settings, sink_port: int | None, address: str
) -> tuple[list[_Cycle], Sent | None, float]:
    """The cycles after the first one, each with the newest quarter's measurements; bases are made between them.

    The last one decides fallbacks too.
    """
    async with open_engine(address) as engine:
        return await _usual_cycles(dsn, at, settings, sink_port, engine)


async def _usual_cycles(
    dsn: str, at: datetime, settings: Settings, sink_port: int | None, engine: Engine
) -> tuple[list[_Cycle], Sent | None, float]:
    pool = await connect(dsn)
    try:
        ports = ports_of(pool, engine)
        cycles: list[_Cycle] = []
        first_sent, first_s = await deliver(pool, sink_port)
        usual_sent = usual_s = bases_s = 0.0
        daily = structs.replace(
            settings, cycle=structs.replace(settings.cycle, fallback_every_h=QUARTER / timedelta(hours=1))
        )
        for k in range(1, 2 + USUAL_CYCLES):
            await new_readings(ports.grid, at + (k - 1) * QUARTER)
            cycles.append(await measure(at + k * QUARTER, ports, settings, pool))
            bases_s += await _prepare_bases(at + k * QUARTER, ports, settings)
            count, seconds = await deliver(pool, sink_port)
            usual_sent, usual_s = usual_sent + count, usual_s + seconds
        usual_s /= len(cycles)
        last = at + (2 + USUAL_CYCLES) * QUARTER
        await new_readings(ports.grid, last - QUARTER)
        cycles.append(await measure(last, ports, daily, pool))
        if sink_port is None:
            return cycles, None, bases_s
        sent = Sent(
            first_messages=first_sent,
            first_per_s=round(first_sent / max(first_s, 1e-9), 1),
            usual_messages=int(usual_sent),
            usual_s=round(usual_s, 2),
        )
        return cycles, sent, bases_s
    finally:
        await pool.close()


async def deliver(pool: Pool, sink_port: int | None) -> tuple[int, float]:
    """Send all that waits through the outbox; gives how many messages, and the seconds."""
    if sink_port is None:
        return 0, 0.0
    settings = OscpSettings(trusted_hosts=("127.0.0.1",), secret_key=BENCH_SECRET)
    peering = build_peering(pool, settings, public_url="http://127.0.0.1:1", clock=wall_clock)
    await connect_bench_peers(pool, f"http://127.0.0.1:{sink_port}", peering.desk.tokens.seal("bench"))
    begun = time.perf_counter()
    while providers := await peering.sender.ready():
        await asyncio.gather(*(peering.sender.send(no) for no in providers))
    seconds = time.perf_counter() - begun
    await peering.client.close()
    return peering.sender.sent, seconds


async def _prepare_bases(at: datetime, ports: CyclePorts, settings: Settings) -> float:
    """As a server does beside its cycles; gives the seconds where it was time for it."""
    begun = time.perf_counter()
    made = await prepare_bases(
        at,
        grid=ports.grid,
        cycles=ports.cycles,
        forecast=settings.forecast.build(),
        cycle=settings.cycle,
        bases=ports.bases,
    )
    return time.perf_counter() - begun if made else 0.0


async def new_readings(grid: GridStore, start: datetime) -> None:
    """Measurements of a quarter as they come in live: those of a week before."""
    elements = len((await grid.network()).elements)
    new, old = Window(quarter_at(start), 1), Window(quarter_at(start) - 7 * QUARTERS_PER_DAY, 1)
    for first in range(0, elements, 8192):
        some = range(first, min(first + 8192, elements))
        load_w = await grid.loads("element", some, old, start)
        await grid.measure("element", first, new, load_w, start + QUARTER)


def ports_of(pool: Pool, engine: Engine) -> CyclePorts:
    return CyclePorts(
        grid=PostgresGrid(pool),
        cycles=PostgresCycles(pool),
        requests=PostgresRequests(pool),
        peers=Everybody(),
        usage=UsageStore(pool),
        engine=engine,
    )


async def measure(at: datetime, ports: CyclePorts, settings: Settings, pool: Pool) -> _Cycle:
    """One cycle from the first read to the last row committed."""
    own_s, database_s = await processor_s(pool)
    position, start = await log_position(pool), time.perf_counter()
    record = await run_cycle(at, ports=ports, forecast=settings.forecast.build(), cycle=settings.cycle)
    total_s = time.perf_counter() - start
    own_after_s, database_after_s = await processor_s(pool)
    give_back()  # as the server does after each cycle
    network = await ports.grid.network()
    measured = _Cycle(
        record=record,
        elements=len(network.elements),
        groups=len(network.groups),
        total_s=total_s,
        peak_mib=peak_mib(),
        processor_s=round(own_after_s - own_s, 2),
        database_processor_s=None if database_s is None else round((database_after_s or 0.0) - database_s, 2),
        log_mib=round((await log_position(pool) - position) / 2**20, 1),
    )
    tell(
        f"cycle of {at:%H:%M}: {total_s:.1f} s, processor {measured.processor_s} s here and "
        f"{measured.database_processor_s} s in the database, peak {measured.peak_mib:.0f} MiB"
    )
    return measured


class Everybody:
    """Every provider counts as connected, so that every message is written."""

    async def connected_providers(self) -> range:
        return range(1_000)

    async def away_providers(self) -> tuple[()]:
        return ()

    async def figures_told(self, group_nos: Sequence[int], kind: ForecastKind) -> tuple[()]:  # noqa: ARG002  # nobody
        return ()

    async def told_each_cycle(self) -> tuple[int, ...]:
        return ()
