"""`ampacity bench servers`: how much sooner two servers have fitted all models than one, a processor for each."""

import asyncio
import multiprocessing
import os
import time
from datetime import datetime, timedelta

import msgspec

from ampacity.app.bench_dso import prepare_dso
from ampacity.app.bench_two import SEVERAL, Compared, processors
from ampacity.app.progress import Show, tell
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.operations.learn import learn
from ampacity.simulation.dso import DsoPlan
from ampacity.store.cycle_bench import forget_models
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid

RUNS = 3
_READY_S = 60.0


async def bench_servers(dsn: str, plan: DsoPlan, settings: Settings, show: Show) -> Compared:
    """Prepare an operator, then let one server and several fit all its models, as once a week.

    Raises:
        NotReady: this machine has too few processors, or servers did not fit every model once.
    """
    own = processors()
    await prepare_dso(dsn, plan, settings, show)
    rules = msgspec.structs.replace(settings, cycle=msgspec.structs.replace(settings.cycle, refit_after_days=1))
    at = plan.sampled.window.end_moment + timedelta(days=1)
    seconds: dict[int, list[float]] = {1: [], SEVERAL: []}
    elements = 0
    for _ in range(RUNS):
        for servers, taken_s in seconds.items():
            run_s, shares = await asyncio.to_thread(_together, dsn, at, rules, own[:servers])
            taken_s.append(run_s)
            elements = sum(shares)
            tell(f"{servers} at work: {run_s:.1f} s, {shares} elements")
            await _forget(dsn, at, elements)
    return Compared.of(elements, *seconds.values())


def _together(dsn: str, at: datetime, settings: Settings, processors: list[int]) -> tuple[float, list[int]]:
    """Seconds from a common start until the last server has nothing left to do, and the elements of each."""
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(len(processors) + 1), context.SimpleQueue()
    servers = [
        context.Process(target=_serve, args=(dsn, at, settings, processor, start, told), daemon=True)
        for processor in processors
    ]
    for server in servers:
        server.start()
    start.wait(_READY_S)
    begun = time.perf_counter()
    for server in servers:
        server.join()
    taken_s = time.perf_counter() - begun
    if any(server.exitcode for server in servers):
        raise NotReady("a server ended before it was done")
    return taken_s, [told.get() for _ in servers]


def _serve(
    dsn: str, at: datetime, settings: Settings, processor: int,
    start: "multiprocessing.synchronize.Barrier", told: "multiprocessing.SimpleQueue[int]",
) -> None:  # fmt: skip
    os.sched_setaffinity(0, {processor})
    told.put(asyncio.run(_learn(dsn, at, settings, start)))


async def _learn(dsn: str, at: datetime, settings: Settings, start: "multiprocessing.synchronize.Barrier") -> int:
    pool = await connect(dsn, max_size=4)
    try:
        await asyncio.to_thread(start.wait, _READY_S)
        return await learn(
            at, grid=PostgresGrid(pool), cycles=PostgresCycles(pool), forecast=settings.forecast.build(),
            cycle=settings.cycle,
        )  # fmt: skip
    finally:
        await pool.close()


async def _forget(dsn: str, at: datetime, elements: int) -> None:
    """Undo a run.

    Raises:
        NotReady: not every element's model had been made in it, once.
    """
    pool = await connect(dsn, max_size=1)
    try:
        made = await forget_models(pool, at)
    finally:
        await pool.close()
    if made != elements:
        raise NotReady(f"servers fitted {elements} elements, models of {made} were kept")
