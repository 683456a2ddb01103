"""`ampacity bench cycle`: a database that is kept is gone on with, and prepared once."""

import asyncio

import pytest

from ampacity.app.bench_cycle import run_apart
from ampacity.app.bench_district import bench_plan, prepare
from ampacity.app.bench_kept import tidy
from ampacity.app.progress import stage_progress
from ampacity.app.scratch_database import kept_database
from ampacity.app.settings import Settings
from ampacity.store.pool import connect

PLAN = bench_plan(20, 2)


async def test_a_database_that_is_kept_is_prepared_once_and_gone_on_with(dsn, capsys):
    filled = []

    async def fill(address: str) -> None:
        with stage_progress() as show:
            await prepare(address, PLAN, show)
        filled.append(address)

    async def run():
        async with kept_database(dsn, "ampacity_bench_kept", fill) as address:
            result = await asyncio.to_thread(run_apart, address, PLAN.window.end_moment, Settings())
            await tidy(address)
            return result, address

    before, address = await run()
    after, _ = await run()

    assert len(filled) == 1
    assert f"loads: {before.elements} after" in capsys.readouterr().err
    assert before.first is not None
    assert after.first is None
    assert after.elements == before.elements == 20
    assert after.processor_s > 0
    assert after.with_fallbacks.total_s > 0
    assert after.database_processor_s is not None
    pool = await connect(address, max_size=1)
    assert (
        await pool.fetchval(
            "select count(distinct decision_id) from allocation_block where kind = 'FALLBACK_CONSUMPTION'"
        )
        == 3
    ), "the first one, and the last of each run"
    assert await pool.fetchval("select count(*) from cycle where decision_id is not null") == 11
    assert await pool.fetchval("select count(*) from headroom_block") == 0
    assert await pool.fetchval("select count(distinct decision_id) from allocation_block") == 11
    await pool.close()


async def test_a_database_that_was_not_prepared_to_its_end_is_prepared_anew(dsn):
    async def fails(address: str) -> None:
        raise RuntimeError(address)

    async def fill(_: str) -> None:
        return None

    with pytest.raises(RuntimeError):
        async with kept_database(dsn, "ampacity_bench_broken", fails):
            pass
    async with kept_database(dsn, "ampacity_bench_broken", fill) as address:
        pool = await connect(address, max_size=1)
        assert await pool.fetchval("select current_database()") == "ampacity_bench_broken"
        await pool.close()
