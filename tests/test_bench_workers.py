"""`ampacity bench workers`: all forecasts, or all models, by one worker of a cluster and by two."""

import os

import pytest

from ampacity.app import bench_workers
from ampacity.app.bench_two import SEVERAL
from ampacity.app.scratch_database import scratch_database
from ampacity.app.settings import Settings
from ampacity.errors import NotReady
from ampacity.simulation.dso import DsoPlan

PLAN = DsoPlan(cables=20)


async def run(dsn, **what):
    async with scratch_database(dsn) as scratch:
        return await bench_workers.bench_workers(scratch, PLAN, Settings(), lambda *_: None, **what)


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < SEVERAL, reason="there is one processor only")
@pytest.mark.parametrize("models", [False, True], ids=["forecasts", "models"])
async def test_one_worker_and_two_do_the_work_for_every_element(dsn, monkeypatch, capsys, models):
    monkeypatch.setattr(bench_workers, "RUNS", 1)

    figures = await run(dsn, models=models)

    assert figures.elements > 20
    assert figures.times == pytest.approx(figures.one_s / figures.several_s, abs=0.3)
    assert capsys.readouterr().err.count("2 at work: ") == (1 if models else 2)
    if models:
        assert figures.computing is None
    else:
        assert figures.computing.elements == figures.elements
        assert figures.computing.one_s > 0


async def test_a_machine_with_too_few_processors_is_refused(dsn, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})

    with pytest.raises(NotReady, match="needs 2 processors"):
        await run(dsn)
