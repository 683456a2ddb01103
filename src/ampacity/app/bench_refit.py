"""`ampacity bench refit`: what a usual night's learning takes of a whole operator, and all models anew."""

import asyncio
import time
from datetime import datetime

import msgspec

from ampacity.app.bench_apart import apart
from ampacity.app.bench_dso import prepare_dso
from ampacity.app.beside import beside
from ampacity.app.memory import peak_mib
from ampacity.app.processor_time import processor_s
from ampacity.app.progress import Show
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.network import PHASES
from ampacity.operations.learn import LEARN_EVERY, learn
from ampacity.simulation.dso import DsoPlan
from ampacity.store.cycle_bench import forget_models, models_made
from ampacity.store.pool import Pool, opened
from ampacity.store.postgres import PostgresCycles, PostgresGrid

_LOOK_EVERY_S = 1.0


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to bring all models up to date."""

    fitted: int  # elements whose models were fitted anew; those of the others learnt from the day's errors
    seconds: float
    processor_s: float  # of the process that learnt
    database_processor_s: float | None  # of PostgreSQL; none where it runs elsewhere
    peak_mib: float


class RefitFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The benchmark's result."""

    elements: int
    series: int
    history_days: int
    night: Learnt  # a usual one: a share is fitted anew
    whole: Learnt  # everything is


async def bench_refit(dsn: str, plan: DsoPlan, settings: Settings, show: Show) -> RefitFigures:
    """Prepare an operator with its whole history and models of the day before; learn as in a night, then fit all.

    Raises:
        NotReady: some models were not brought up to date.
    """
    at = plan.sampled.window.end_moment
    await prepare_dso(dsn, plan, settings, show, load_days=plan.days, fitted_at=at - LEARN_EVERY)
    daily = msgspec.structs.replace(settings, cycle=msgspec.structs.replace(settings.cycle, refit_after_days=1))
    elements, night = await _learnt(dsn, at, settings, show, "a night's learning")
    _, whole = await _learnt(dsn, at, daily, show, "all models anew")
    return RefitFigures(
        elements=elements, series=elements * PHASES, history_days=min(plan.days, settings.cycle.history_days),
        night=night, whole=whole,
    )  # fmt: skip


async def _learnt(dsn: str, at: datetime, settings: Settings, show: Show, name: str) -> tuple[int, Learnt]:
    """How many elements there are, and what it took; in a process of its own, while this one looks on."""
    async with opened(dsn, max_size=4) as pool:
        elements = len((await PostgresGrid(pool).network()).elements)
        async with beside(_tell_how_far(pool, at, elements, show, name)):
            learnt: Learnt = await asyncio.to_thread(apart, _learn, dsn, at, settings)
        show(name, elements, elements)
        if (made := await forget_models(pool, at)) != elements:
            raise NotReady(f"of {elements} elements {made} have a new model")
    return elements, learnt


async def _tell_how_far(pool: Pool, at: datetime, elements: int, show: Show, name: str) -> None:
    while True:
        made, _ = await models_made(pool, at)
        if made < elements:
            show(name, made, elements)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _learn(dsn: str, at: datetime, settings: Settings) -> Learnt:
    async with opened(dsn, max_size=4) as pool:
        before_s, database_before_s = await processor_s(pool)
        begun = time.perf_counter()
        await learn(
            at, grid=PostgresGrid(pool), cycles=PostgresCycles(pool), forecast=settings.forecast.build(),
            cycle=settings.cycle,
        )  # fmt: skip
        took_s = time.perf_counter() - begun
        after_s, database_after_s = await processor_s(pool)
        database_s = None if database_before_s is None else (database_after_s or 0.0) - database_before_s
        _, fitted = await models_made(pool, at)
        return Learnt(
            fitted=fitted, seconds=round(took_s, 1), processor_s=round(after_s - before_s, 1),
            database_processor_s=None if database_s is None else round(database_s, 1),
            peak_mib=round(peak_mib()),
        )  # fmt: skip
