"""What a group seldom uses at an hour is lent, and comes back when it is used up."""

from datetime import timedelta

import numpy as np
import pytest

from ampacity.operations.cycle import run_cycle
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import Window, quarter_at
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, ForecastSettings, bench  # noqa: F401

DAYS = 14
QUARTER = timedelta(minutes=15)


@pytest.fixture
async def history(bench) -> Bench:  # noqa: F811
    """NORTH hardly used anything for two weeks, HARBOUR much."""
    window = Window(quarter_at(AT) - DAYS * 96, DAYS * 96)
    for group, used_w in ((NORTH, 100.0), (HARBOUR, 25_000.0), (2, 0.0)):
        load_w = np.full((1, 3, window.count), used_w / 3, np.float32)
        await bench.on.grid.measure("group", group, window, load_w, AT)
    return bench


async def cycle(bench: Bench, at, *, lend_idle: bool) -> np.ndarray:  # noqa: F811
    settings = CycleSettings(lend_idle=lend_idle, frozen_quarters=0, rise_fraction=1.0)
    await run_cycle(at, ports=bench.on, forecast=ForecastSettings(), cycle=settings)
    return await bench.capacity_w(at)


async def test_idle_contract_is_lent_and_the_decision_can_be_replayed(history):
    kept_w = await cycle(history, AT + QUARTER, lend_idle=False)

    lent_w = await cycle(history, AT + 2 * QUARTER, lend_idle=True)

    assert (lent_w[NORTH, :90] <= 100 + 0.2 * 40_000).all()
    assert (lent_w[HARBOUR, :90] > kept_w[HARBOUR, 1:91] + 500).all()
    for row in await history.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(history.pool))).is_equal
    assert await PostgresRecords(history.pool).broken_links() == []


async def test_it_comes_back_at_once_when_it_is_used_up(history):
    lent_w = await cycle(history, AT + QUARTER, lend_idle=True)
    full = np.full((1, 3, 1), float(lent_w[NORTH, 0]) / 3, np.float32)
    await history.on.grid.measure("group", NORTH, Window(quarter_at(AT + QUARTER), 1), full, AT + 2 * QUARTER)

    back_w = await cycle(history, AT + 2 * QUARTER, lend_idle=True)

    assert (back_w[NORTH, :90] > lent_w[NORTH, 1:91] + 500).all()
