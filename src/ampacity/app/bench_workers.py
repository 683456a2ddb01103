"""`ampacity bench workers`: how much sooner two workers of a Dask cluster have made all forecasts, or models."""

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
from ampacity.operations.bases import Bases
from ampacity.operations.forecast import forecasts
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.learn import learn
from ampacity.operations.offer import Offer
from ampacity.operations.stages import Stages
from ampacity.simulation.dso import DsoPlan
from ampacity.store.cycle_bench import forget_bases, forget_models
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid

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
    work = _all_models if models else _all_forecasts
    elements, one_s = await _seconds(dsn, at, settings, own[:1], work)
    _, several_s = await _seconds(dsn, at, settings, own, work)
    return Compared.of(elements, one_s, several_s)


async def _seconds(
    dsn: str, at: datetime, settings: Settings, on: Sequence[int], work: Work
) -> tuple[int, list[float]]:
    """How many elements there are, and the seconds of a few runs on some processors."""
    pool = await connect(dsn, max_size=6)
    try:
        async with _cluster(on) as engine:
            taken = [await work(pool, at, settings, engine) for _ in range(1 + RUNS)][1:]  # one to warm up
    finally:
        await pool.close()
    tell(f"{len(on)} at work: {', '.join(f'{taken_s:.1f}' for _, taken_s in taken)} s")
    return taken[0][0], [taken_s for _, taken_s in taken]


async def _all_forecasts(pool: Pool, at: datetime, settings: Settings, engine: DaskEngine) -> tuple[int, float]:
    """Make every base and forecast, as the first cycle of some hours does; they are forgotten."""
    await forget_bases(pool)
    grid, cycles, stages = PostgresGrid(pool), PostgresCycles(pool), Stages()
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=settings.forecast.build(), cycle=settings.cycle)
    plan = replace(plan, with_fallback=False)
    offer = Offer(slot=plan.made_at, holder=uuid4(), sharing=cycles.sharing, stages=stages)
    begun, elements = time.perf_counter(), 0
    async for block in forecasts(
        plan, grid=grid, cycles=cycles, stages=stages, bases=Bases(), engine=engine, offer=offer
    ):
        elements += len(block.elements)
    return elements, time.perf_counter() - begun


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
