"""A cycle computed on a cluster of two processes is that of this process to the bit, also where a worker dies."""

import asyncio
import os
import signal
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from ampacity.app.engine import open_engine
from ampacity.cluster import dask_engine
from ampacity.errors import NotReady, Unsuitable
from ampacity.forecasting import ForecastSettings
from ampacity.operations.cycle import run_cycle
from ampacity.operations.learn import learn
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.simulation.district import DistrictPlan, make_district
from tests.cluster.workers import engine_of_two_workers
from tests.operations.test_cycle import ports
from tests.peers.world import until

PLAN = DistrictPlan(homes=100, cables=12, cables_per_transformer=3, days=21)
AT = PLAN.window.end_moment
SETTINGS = {"forecast": ForecastSettings(), "cycle": CycleSettings(elements_at_once=5)}


@dataclass(frozen=True)
class Killing:
    """An engine that kills a worker as soon as work is under way."""

    engine: Any
    killed: list[int]

    @property
    def at_once(self) -> int:
        return self.engine.at_once

    def share(self, value):
        return self.engine.share(value)

    async def run(self, work, *arguments, **options):
        running = asyncio.create_task(self.engine.run(work, *arguments, **options))
        if not self.killed:
            processing = {}
            while not any(processing.values()):
                processing = await self.engine.client.processing()
            pids = await self.engine.client.run(os.getpid)
            busy = next(worker for worker, tasks in processing.items() if tasks)
            self.killed.append(pids[busy])
            os.kill(pids[busy], signal.SIGKILL)
        return await running


def pid_after(seconds: float) -> str:
    """An expression that gives who evaluated it, some time later; workers do not know the tests."""
    return f"__import__('time').sleep({seconds}) or __import__('os').getpid()"


async def no_workers(engine) -> bool:
    return not await engine.workers()


@pytest.fixture
async def engine(tmp_path):
    async with engine_of_two_workers(tmp_path) as engine:
        yield engine


async def decided(pool) -> bytes:
    """What a cycle decided, with what it rests on, in a digest."""
    return await pool.fetchval("select content_hash from decision_chain order by seq desc limit 1")


async def decided_here(pool) -> bytes:
    """The same cycle, decided by this process."""
    on = ports(pool)
    await take_in(make_district(PLAN), grid=on.grid, now=AT)
    await run_cycle(AT, ports=on, **SETTINGS)
    return await decided(pool)


async def test_a_cycle_on_a_cluster_is_that_of_this_process_to_the_bit(pool, other_pool, engine):
    on = replace(ports(pool), engine=engine)
    await take_in(make_district(PLAN), grid=on.grid, now=AT)

    await run_cycle(AT, ports=on, **SETTINGS)

    assert await decided(pool) == await decided_here(other_pool)


async def test_a_worker_that_is_killed_in_mid_cycle_is_made_good(pool, other_pool, engine):
    killed: list[int] = []
    on = replace(ports(pool), engine=Killing(engine, killed))
    await take_in(make_district(PLAN), grid=on.grid, now=AT)

    await run_cycle(AT, ports=on, **SETTINGS)

    assert len(killed) == 1
    assert await pool.fetchval("select count(*) from decision") == 1
    assert await decided(pool) == await decided_here(other_pool)


async def test_models_learnt_on_a_cluster_are_those_of_this_process_to_the_bit(pool, engine):
    on = ports(pool)
    await take_in(make_district(PLAN), grid=on.grid, now=AT)
    await run_cycle(AT, ports=on, **SETTINGS)

    async def learnt(days, **where):
        at = AT + timedelta(days=days)
        assert await learn(at, grid=on.grid, cycles=on.cycles, **SETTINGS, **where) == len(
            (await on.grid.network()).elements
        )
        rows = await pool.fetch("select state from forecast_model where made_at = $1 order by first_no", at)
        await pool.execute("delete from forecast_model where made_at = $1", at)
        return [row["state"] for row in rows]

    for days in (1, 8):  # learnt from the day's errors, and fitted anew
        assert await learnt(days, engine=engine) == await learnt(days)


async def test_workers_that_died_just_now_are_done_without(engine):
    pids = await engine.client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)

    found = await asyncio.gather(*(engine.run(divmod, n, 3) for n in range(8)))

    assert found == [divmod(n, 3) for n in range(8)]


async def test_each_worker_gets_its_part_of_the_work(engine):
    await asyncio.sleep(2.5)  # what Dask's client keeps of workers is a few seconds old
    async with engine.share(None):
        pass

    pids = await asyncio.gather(*(engine.run(eval, pid_after(0.2)) for _ in range(engine.at_once)))

    assert engine.at_once == 4  # two with each: one at work and the next one
    assert sorted(map(pids.count, set(pids))) == [2, 2]


async def test_work_of_a_worker_that_is_sent_away_is_done_by_another(engine, monkeypatch):
    monkeypatch.setattr(dask_engine, "LOOK_S", 0.2)
    under_way = [asyncio.create_task(engine.run(eval, pid_after(3.0))) for _ in range(4)]
    pids = await engine.client.run(os.getpid)
    await until(lambda: all(engine._busy[worker] for worker in pids))
    await asyncio.sleep(1)  # it has been sent

    gone = next(iter(pids))
    await engine.client.retire_workers([gone])

    assert set(await asyncio.gather(*under_way)) == {pid for worker, pid in pids.items() if worker != gone}


async def test_a_cluster_without_workers_is_told(engine, monkeypatch):
    monkeypatch.setattr(dask_engine, "CONNECT_S", 0.5)
    await engine.client.retire_workers(list(await engine.client.run(os.getpid)))
    await until(lambda: no_workers(engine), within_s=20)

    with pytest.raises(NotReady, match="the cluster has no worker"):
        await engine.run(divmod, 7, 3)


async def test_what_the_work_itself_raises_comes_back(engine):
    with pytest.raises(ZeroDivisionError):
        await engine.run(divmod, 1, 0)


async def test_an_engine_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(dask_engine, "CONNECT_S", 1.0)
    with pytest.raises(Unsuitable, match="must be local or dask://HOST:PORT"):
        async with open_engine("ray://somewhere"):
            pass
    with pytest.raises(NotReady, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1"):
        async with open_engine("dask://127.0.0.1:1"):
            pass
