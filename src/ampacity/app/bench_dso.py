"""Prepares a whole operator for `ampacity bench cycle --dso`: the grid is made, its loads and models are copies.

Loads and fitted models of a sample of blocks are copied over all of the grid, inside the database,
so that preparing takes minutes; what a cycle has to do for each element is the same.
"""

import asyncio
from datetime import datetime

from ampacity.app.progress import Show
from ampacity.app.settings import Settings
from ampacity.operations.forecast import RECENT_DAYS, Learnt, fitted
from ampacity.operations.forecast_plan import Plan, element_blocks, make_plan
from ampacity.operations.settled_loads import Reader
from ampacity.simulation.district import district_weather
from ampacity.simulation.dso import SAMPLE, DsoPlan, dso_network, dso_providers, sampled_loads
from ampacity.store.cycle_bench import copy_loads, copy_models
from ampacity.store.grid import write_grid
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.series import write_load
from ampacity.store.taking_in import take_in_weather
from ampacity.timegrid import QUARTERS_PER_DAY


async def prepare_dso(
    dsn: str,
    plan: DsoPlan,
    settings: Settings,
    show: Show,
    *,
    load_days: int = RECENT_DAYS + 1,
    fitted_at: datetime | None = None,
) -> None:
    """Fill the database: the grid, the last days of load of all elements, models that fit them.

    Args:
        plan: How large.
        load_days: That elements beyond the sample have; at least what the newest errors are judged by.
        fitted_at: When the models were fitted; at the end of the loads by default.
    """
    load_w = await asyncio.to_thread(sampled_loads, plan)
    network = await asyncio.to_thread(dso_network, plan, load_w)
    pool = await connect(dsn, max_size=2)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await write_grid(connection, network.elements, network.groups, dso_providers())
            show("grid", len(network.elements), len(network.elements))
            await take_in_weather(connection, district_weather(plan.sampled))
            await write_load(connection, "element", 0, plan.sampled.window, load_w, None)
        recent = plan.sampled.window.end - load_days * QUARTERS_PER_DAY
        for first in range(SAMPLE, len(network.elements), SAMPLE):
            await copy_loads(pool, SAMPLE, first, recent)
            show("loads", min(first + SAMPLE, len(network.elements)), len(network.elements))
        await _fit(pool, fitted_at or plan.sampled.window.end_moment, settings, show)
        await pool.execute("vacuum analyze load_block, element_version, contract, forecast_model, load_extremes")
    finally:
        await pool.close()


async def _fit(pool: Pool, at: datetime, settings: Settings, show: Show) -> None:
    """Fit the sampled blocks, and the last one where it is shorter; copy them to all others."""
    grid, cycles = PostgresGrid(pool), PostgresCycles(pool)
    made = await make_plan(at, grid=grid, cycles=cycles, forecast=settings.forecast.build(), cycle=settings.cycle)
    blocks = element_blocks(len(made.network.elements))
    sampled = [b for b in blocks if b.start < SAMPLE]
    for block in {*sampled, blocks[-1]}:
        if block in sampled or len(block) < len(blocks[0]):
            found = await _fitted(made, block, grid)
            await cycles.keep_model(block.start, len(block), at, at, found.state)
            await cycles.extremes.keep(block.start, len(block), at, found.extremes)
    for i, block in enumerate(blocks):
        if block not in sampled and len(block) == len(blocks[0]):
            await copy_models(pool, sampled[i % len(sampled)].start, block.start)
        show("models", block.stop, len(made.network.elements))


async def _fitted(plan: Plan, block: range, grid: PostgresGrid) -> Learnt:
    settled, window = await Reader(plan, grid, has_use=False).start(block, plan.cycle.history_days)
    return await asyncio.to_thread(fitted, plan, block, settled, window, None)
