"""A cycle makes way for who waits for an answer: while somebody asks it rests between its pieces of work."""

import asyncio
import time
from datetime import timedelta

import pytest

from ampacity.operations import pace
from ampacity.operations.pace import Pace
from tests.operations.test_adjust import AT, HARBOUR, NORTH, bench

__all__ = ["bench"]  # the fixture

NEXT = AT + timedelta(minutes=15)
WORK_S = 0.4


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("ampacity.operations.forecast_plan.ELEMENTS_PER_BLOCK", 1)
    monkeypatch.setattr(pace, "ASKED_S", 60.0)  # so that a slow machine comes to its first rest in time


async def way_made_s(bench, at) -> float:
    await bench.cycle(at)
    return (await bench.on.cycles.decided_cycle(at)).stages["make way"]


async def rest_s(own: Pace) -> float:
    begun = time.monotonic()
    await own.rest()
    return time.monotonic() - begun


async def worked(bench) -> Pace:
    own = Pace(bench.on.cycles)
    with own.piece():
        await asyncio.sleep(WORK_S)
    return own


async def test_a_cycle_rests_while_somebody_asks_and_not_because_somebody_did(bench):
    await bench.ask(NORTH, 1_000)
    while_asked_s = await way_made_s(bench, NEXT)
    await bench.pool.execute("update capacity_request set recorded_at = now() - interval '2 minutes'")

    alone_s = await way_made_s(bench, NEXT + timedelta(minutes=15))

    assert while_asked_s > 2 * alone_s


async def test_a_rest_is_twice_as_long_as_the_work_before_it(bench):
    await bench.ask(NORTH, 1_000)

    assert await rest_s(await worked(bench)) >= 2 * WORK_S - 0.01


async def test_no_rest_is_longer_than_a_few_seconds(bench, monkeypatch):
    monkeypatch.setattr(pace, "MOST_S", WORK_S / 2)
    await bench.ask(NORTH, 1_000)

    assert await rest_s(await worked(bench)) < 2 * WORK_S


async def test_all_rests_together_leave_a_cycle_its_time(bench, monkeypatch):
    monkeypatch.setattr(pace, "BUDGET_S", 3 * WORK_S)
    await bench.ask(NORTH, 1_000)
    own = await worked(bench)

    rests_s = [await rest_s(own) for _ in range(3)]

    assert rests_s[0] >= 2 * WORK_S - 0.01
    assert rests_s[1] < 2 * WORK_S
    assert rests_s[2] < WORK_S / 2


async def test_nobody_rests_before_work_or_where_nobody_asks(bench):
    assert await rest_s(await worked(bench)) < WORK_S
    await bench.ask(HARBOUR, 1_000)
    assert await rest_s(Pace(bench.on.cycles)) < WORK_S
