"""3,000 elements decided by one server, by two and on a cluster, some of them killed in mid-cycle: always the same.

Each cycle here makes its bases anew, as the first one of some hours does: a usual one is over before anybody is killed.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import numpy as np
import pytest

from ampacity.forecasting import ForecastSettings
from ampacity.operations.cycle import run_cycle
from ampacity.store.cycle_bench import forget_bases
from ampacity.store.pool import Pool, connect
from ampacity.store.records import PostgresRecords
from tests.cluster.fleet import decided, on_time, prepare, servers, slot, until_decided, until_left
from tests.cluster.server import RULES
from tests.cluster.workers import engine_of_two_workers
from tests.operations.test_cycle import ports
from tests.peers.test_database_restart import restart

KILLS = 20
BLOCKS = 6

pytestmark = pytest.mark.slow


def _named(dsn: str, name: str) -> str:
    return dsn.replace("/postgres?", f"/{name}?")


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
async def prepared(server_dsn, migrated) -> str:
    """The name of a database with the fleet and its first quarter hour, to copy."""
    await _run(server_dsn, f"create database fleet template {migrated}")
    await prepare(_named(server_dsn, "fleet"))
    return "fleet"


@pytest.fixture
async def fleet_dsn(server_dsn, prepared) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await _run(server_dsn, f"create database {name} template {prepared}")
    yield _named(server_dsn, name)
    await _run(server_dsn, f"drop database {name} with (force)")


@pytest.fixture
async def fleet_pool(fleet_dsn) -> AsyncIterator[Pool]:
    pool = await connect(fleet_dsn, max_size=4)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def undisturbed(server_dsn, prepared, tmp_path_factory) -> list:
    """What one server decides, and in what time."""
    dsn = _named(server_dsn, "undisturbed")
    await _run(server_dsn, f"create database undisturbed template {prepared}")
    pool = await connect(dsn, max_size=1)
    async with servers(dsn, 1, tmp_path_factory.mktemp("fleet") / "log") as alone:
        for k in range(1, KILLS + 2):
            await forget_bases(pool)
            alone.tell(slot(k))
            await until_decided(dsn, slot(k))
    found = await decided(pool)
    await pool.close()
    assert len(found) == KILLS + 2
    return found


async def nothing_lost(pool: Pool) -> None:
    assert await pool.fetchval("select count(*) from decision") == await pool.fetchval(
        "select count(*) from cycle where decision_id is not null"
    )
    assert await pool.fetchval("select count(*) from cycle_block") == 0
    assert await PostgresRecords(pool).broken_links() == []


async def test_two_servers_decide_what_one_decides_to_the_byte(fleet_dsn, fleet_pool, undisturbed, tmp_path):
    others = 0
    async with servers(fleet_dsn, 2, tmp_path / "log") as both:
        for k in range(1, 5):
            await forget_bases(fleet_pool)
            both.tell(slot(k))
            await until_left(fleet_pool, slot(k), BLOCKS)
            deciding = asyncio.create_task(until_decided(fleet_dsn, slot(k)))
            taken = set()
            while not deciding.done():
                rows = await fleet_pool.fetch("select first_no from cycle_block where taken_by is not null")
                taken |= {r["first_no"] for r in rows}
                await asyncio.sleep(0.02)
            await deciding
            others += len(taken)

    assert await decided(fleet_pool) == undisturbed[:5]
    assert others >= 4  # at least one block of each cycle, on average, was made by who did not decide
    await nothing_lost(fleet_pool)


async def test_a_cluster_decides_what_one_server_decides_to_the_byte(fleet_pool, undisturbed, tmp_path):
    async with engine_of_two_workers(tmp_path) as engine:
        on = replace(ports(fleet_pool, frozenset(range(50))), engine=engine)
        for k in range(1, 5):
            await forget_bases(fleet_pool)
            await run_cycle(slot(k), ports=on, forecast=ForecastSettings(), cycle=RULES)

    assert await decided(fleet_pool) == undisturbed[:5]
    await nothing_lost(fleet_pool)


async def test_servers_that_are_killed_in_mid_cycle(fleet_dsn, fleet_pool, undisturbed, tmp_path, record_property):
    rng, seconds = np.random.default_rng(1), []
    async with servers(fleet_dsn, 2, tmp_path / "log") as both:
        for k in range(1, KILLS + 1):
            await forget_bases(fleet_pool)
            both.tell(slot(k))
            await until_left(fleet_pool, slot(k), int(rng.integers(0, BLOCKS)))
            await both.kill(int(rng.integers(2)))
            replacement = asyncio.create_task(both.start())
            seconds.append(await until_decided(fleet_dsn, slot(k)))
            await replacement
        both.tell(slot(KILLS + 1))
        seconds.append(await until_decided(fleet_dsn, slot(KILLS + 1)))

    assert await decided(fleet_pool) == undisturbed
    await nothing_lost(fleet_pool)
    taken_over = await fleet_pool.fetchval("select count(*) from cycle where attempts > 1")
    assert 0 < taken_over < KILLS  # both kinds were among them: who decided, and who helped
    record_property("servers killed in mid-cycle", KILLS)
    record_property(f"of them deciding; {on_time(seconds)}", taken_over)


async def test_workers_that_are_killed_in_mid_cycle(fleet_pool, undisturbed, tmp_path, record_property):
    rng, seconds = np.random.default_rng(2), []
    async with engine_of_two_workers(tmp_path) as engine:
        on = replace(ports(fleet_pool, frozenset(range(50))), engine=engine)
        for k in range(1, KILLS + 2):
            await forget_bases(fleet_pool)
            begun = time.monotonic()
            deciding = asyncio.create_task(run_cycle(slot(k), ports=on, forecast=ForecastSettings(), cycle=RULES))
            if k <= KILLS:
                await until_left(fleet_pool, slot(k), int(rng.integers(0, BLOCKS)))
                pids = list((await engine.client.run(os.getpid)).values())
                os.kill(pids[int(rng.integers(len(pids)))], signal.SIGKILL)
                assert not deciding.done()
            await deciding
            seconds.append(time.monotonic() - begun)
            await engine.client.wait_for_workers(2)

    assert await decided(fleet_pool) == undisturbed
    await nothing_lost(fleet_pool)
    record_property(f"workers killed in mid-cycle; {on_time(seconds)}", KILLS)


async def test_a_database_that_is_killed_in_mid_cycle(server_dsn, fleet_dsn, undisturbed, tmp_path, record_property):
    rng, seconds = np.random.default_rng(3), []
    connection = await asyncpg.connect(server_dsn)
    data = await connection.fetchval("show data_directory")
    await connection.close()
    async with servers(fleet_dsn, 2, tmp_path / "log") as both:
        for k in range(1, KILLS + 1):
            pool = await connect(fleet_dsn, max_size=1)
            await forget_bases(pool)
            both.tell(slot(k))
            await until_left(pool, slot(k), int(rng.integers(0, BLOCKS)))
            pool.terminate()
            await asyncio.to_thread(restart, Path(data))
            seconds.append(await until_decided(fleet_dsn, slot(k)))
        both.tell(slot(KILLS + 1))
        seconds.append(await until_decided(fleet_dsn, slot(KILLS + 1)))

    pool = await connect(fleet_dsn, max_size=2)
    assert await decided(pool) == undisturbed
    await nothing_lost(pool)
    assert await pool.fetchval("select count(*) from cycle where attempts > 1") >= KILLS - 2
    await pool.close()
    record_property(f"times the database was killed in mid-cycle; {on_time(seconds)}", KILLS)
