"""`ampacity bench servers`: how much sooner two servers have fitted all models than one, a processor for each."""

import asyncio
import multiprocessing
import os
import time
from datetime import datetime, timedelta

import msgspec

from ampacity.app.bench_dso import prepare_dso
from ampacity.app.progress import Show, tell
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.operations.learn import learn
from ampacity.simulation.dso import DsoPlan
from ampacity.store.cycle_bench import forget_models
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid

SERVERS = 2
RUNS = 3
_READY_S = 60.0


class ServersFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until every model is fitted anew: the middle ones of a few runs, one and several servers by turns."""

    elements: int
    servers: int
    one_s: float
    several_s: float
    times: float
    shares: list[int]  # elements that each of several servers fitted, in the last run


async def bench_servers(dsn: str, plan: DsoPlan, settings: Settings, show: Show) -> ServersFigures:
    """Prepare an operator, then let one server and several fit all its models, as once a week.

    Raises:
        NotReady: this machine has too few processors, or servers did not fit every model once.
    """
    processors = sorted(os.sched_getaffinity(0))[:SERVERS]
    if len(processors) < SERVERS:
        raise NotReady(f"{SERVERS} servers on a processor of their own need {SERVERS} processors, there are fewer")
    await prepare_dso(dsn, plan, settings, show)
    rules = msgspec.structs.replace(settings, cycle=msgspec.structs.replace(settings.cycle, refit_after_days=1))
    at = plan.sampled.window.end_moment + timedelta(days=1)
    seconds: dict[int, list[float]] = {1: [], SERVERS: []}
    shares: list[int] = []
    for _ in range(RUNS):
        for servers, taken_s in seconds.items():
            begun, shares = await asyncio.to_thread(_together, dsn, at, rules, processors[:servers])
            taken_s.append(begun)
            tell(f"{servers} at work: {begun:.1f} s, {shares} elements")
            await _forget(dsn, at, sum(shares))
    one_s, several_s = (sorted(taken_s)[RUNS // 2] for taken_s in seconds.values())
    return ServersFigures(
        elements=sum(shares), servers=SERVERS, one_s=round(one_s, 2), several_s=round(several_s, 2),
        times=round(one_s / several_s, 2), shares=shares,
    )  # fmt: skip


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
