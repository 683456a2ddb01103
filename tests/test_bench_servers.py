"""`ampacity bench servers`: every model is fitted once, by one server or by two."""

import os

import pytest

from ampacity.app import bench_servers
from ampacity.app.bench_two import SEVERAL
from ampacity.app.scratch_database import scratch_database
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.simulation.dso import DsoPlan

PLAN = DsoPlan(cables=20)


async def run(dsn):
    async with scratch_database(dsn) as scratch:
        return await bench_servers.bench_servers(scratch, PLAN, Settings(), lambda *_: None)


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < SEVERAL, reason="there is one processor only")
async def test_one_server_and_two_fit_every_model_once(dsn, monkeypatch):
    monkeypatch.setattr(bench_servers, "RUNS", 1)

    figures = await run(dsn)

    assert figures.elements > 20
    assert figures.several == 2
    assert figures.times == pytest.approx(figures.one_s / figures.several_s, abs=0.1)


async def test_a_machine_with_too_few_processors_is_refused(dsn, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})

    with pytest.raises(NotReady, match="needs 2 processors"):
        await run(dsn)
