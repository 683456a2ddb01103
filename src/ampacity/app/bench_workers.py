"""`ampacity bench workers`: how much sooner two workers of a Dask cluster have made all forecasts, or models.

One machine bears the workers, the scheduler, the server and its database.  So forecasts are made in two ways: as a
cycle does, and of what was read before, with nothing to be kept, which shows the part that a cluster takes over.
"""

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TypeAlias
from uuid import uuid4

import msgspec

from ampacity.app.bench_dso import prepare_dso
from ampacity.app.bench_two import Compared, processors
from ampacity.app.engine import open_engine
from ampacity.app.listening import free_port
from ampacity.app.progress import Show, tell
from ampacity.app.settings import Settings
from ampacity.cluster.dask_engine import SCHEME, DaskEngine
from ampacity.errors import NotReady
from ampacity.network.settling import Settled
from ampacity.operations.bases import Bases
from ampacity.operations.daily_bases import DailyBases, model_state
from ampacity.operations.forecast import RECENT_DAYS, forecast_with_base, forecasts
from ampacity.operations.forecast_plan import Plan, element_blocks, make_plan
from ampacity.operations.learn import learn
from ampacity.operations.offer import Offer
from ampacity.operations.settled_loads import Reader
from ampacity.operations.stages import Stages
from ampacity.simulation.dso import DsoPlan
from ampacity.store.cycle_bench import forget_bases, forget_models
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.timegrid import Window

RUNS = 3
Work: TypeAlias = Callable[[Pool, datetime, Settings, DaskEngine], Awaitable[tuple[int, float]]]
_HOST = "127.0.0.1"
_JOIN_S = 60
_ON_ONE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv.pop(1))})
from distributed.cli.dask_worker import main
main()
"""


async def bench_workers(dsn: str, plan: DsoPlan, settings: Settings, show: Show, *, models: bool = False) -> Compared:
    """Prepare an operator, then make its forecasts on one worker and on several, each on a processor of its own.

    Where `models` is asked for they fit all models anew instead, as once a week.

    Raises:
        NotReady: this machine has too few processors, or the extra `cluster` is missing.
    """
    own = processors()
    await prepare_dso(dsn, plan, settings, show)
    at = plan.sampled.window.end_moment + (timedelta(days=1) if models else timedelta(minutes=15))
    whole = await _compared(dsn, at, settings, own, _all_models if models else _all_forecasts)
    if models:
        return whole
    tell("the computing part alone")
    return msgspec.structs.replace(whole, computing=await _compared(dsn, at, settings, own, _computing))


async def _compared(dsn: str, at: datetime, settings: Settings, own: Sequence[int], work: Work) -> Compared:
    """A few runs by one and by several in turn, so that a machine that grows slower meanwhile does so for both."""
    seconds: dict[int, list[float]] = {1: [], len(own): []}
    elements = 0
    pool = await connect(dsn, max_size=6)
    try:
        async with _cluster(own[:1]) as one, _cluster(own) as several:
            for run in range(1 + RUNS):
                for engine, taken in zip((one, several), seconds.values(), strict=True):
                    elements, taken_s = await work(pool, at, settings, engine)
                    if run > 0:  # the first one warms up
                        taken.append(taken_s)
    finally:
        await pool.close()
    for workers, taken in seconds.items():
        tell(f"{workers} at work: {', '.join(f'{taken_s:.1f}' for taken_s in taken)} s")
    return Compared.of(elements, *seconds.values())


async def _all_forecasts(pool: Pool, at: datetime, settings: Settings, engine: DaskEngine) -> tuple[int, float]:
    """Make every base and forecast, as the first cycle of some hours does; they are forgotten."""
    await forget_bases(pool)
    grid, cycles, stages = PostgresGrid(pool), PostgresCycles(pool), Stages()
    plan = await _plan(at, settings, grid, cycles)
    offer = Offer(slot=plan.made_at, holder=uuid4(), sharing=cycles.sharing, stages=stages)
    begun, elements = time.perf_counter(), 0
    async for block in forecasts(
        plan, grid=grid, cycles=cycles, stages=stages, bases=Bases(), engine=engine, offer=offer
    ):
        elements += len(block.elements)
    return elements, time.perf_counter() - begun


async def _computing(pool: Pool, at: datetime, settings: Settings, engine: DaskEngine) -> tuple[int, float]:
    """Make the same of loads and models that were read before; what is made is dropped, not kept."""
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    plan = await _plan(at, settings, grid, cycles)
    reader, models = Reader(plan, grid, has_use=False), await cycles.models(at)
    blocks = element_blocks(len(plan.network.elements))
    known = [await reader.start(block, RECENT_DAYS) for block in blocks]
    states = [await model_state(cycles, block, models[block.start]) for block in blocks]
    async with engine.share(plan.without_grid()) as shared:
        covered = (await DailyBases.of(plan, cycles, Bases(), engine, shared)).window
        at_once = asyncio.Semaphore(engine.at_once)

        async def make(block: range, of: tuple[Settled, Window], state: bytes) -> int:
            async with at_once:
                *_, made = await engine.run(forecast_with_base, shared, block, *of, state, covered, None)
            return len(made.elements)

        begun = time.perf_counter()
        elements = sum(await asyncio.gather(*map(make, blocks, known, states)))
        return elements, time.perf_counter() - begun


async def _plan(at: datetime, settings: Settings, grid: PostgresGrid, cycles: PostgresCycles) -> Plan:
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=settings.forecast.build(), cycle=settings.cycle)
    return replace(plan, with_fallback=False)


async def _all_models(pool: Pool, at: datetime, settings: Settings, engine: DaskEngine) -> tuple[int, float]:
    """Fit every model anew, as once a week; they are forgotten.

    Raises:
        NotReady: not every element's model was kept, once.
    """
    weekly = msgspec.structs.replace(settings.cycle, refit_after_days=1)
    begun = time.perf_counter()
    elements = await learn(
        at, grid=PostgresGrid(pool), cycles=PostgresCycles(pool), forecast=settings.forecast.build(), cycle=weekly,
        engine=engine,
    )  # fmt: skip
    taken_s = time.perf_counter() - begun
    if (kept := await forget_models(pool, at)) != elements:
        raise NotReady(f"workers fitted {elements} elements, models of {kept} were kept")
    return elements, taken_s


@asynccontextmanager
async def _cluster(on: Sequence[int]) -> AsyncIterator[DaskEngine]:
    """A scheduler, and a worker of one thread on each of some processors, as processes of their own."""
    port = free_port(_HOST)
    plain = ("--host", _HOST, "--no-dashboard")
    worker = (f"tcp://{_HOST}:{port}", *plain, "--nthreads", "1", "--no-nanny", "--memory-limit", "0")
    with TemporaryDirectory() as folder:
        started = [await _started("-m", "distributed.cli.dask_scheduler", *plain, "--port", str(port))]
        try:
            begun = (_started("-c", _ON_ONE, str(p), *worker, "--local-directory", folder) for p in on)
            started += await asyncio.gather(*begun)
            async with open_engine(f"{SCHEME}{_HOST}:{port}") as engine:
                assert isinstance(engine, DaskEngine)
                await engine.client.wait_for_workers(len(on), timeout=_JOIN_S)
                yield engine
        finally:
            for process in started:
                process.kill()
                await process.wait()


async def _started(*words: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, *words, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
