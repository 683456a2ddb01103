"""A grant that is not used ends, and what it held is open to others; one that is used, or not measured, stays."""

from datetime import timedelta

import numpy as np
import pytest

from ampacity.network import ForecastKind
from ampacity.operations.adjust import decide_waiting
from ampacity.operations.cycle import run_cycle
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import Window, quarter_at
from tests.operations.test_adjust import AT, NORTH, Bench, ForecastSettings, bench  # noqa: F401

QUARTER = timedelta(minutes=15)


@pytest.fixture
async def granted(bench) -> Bench:  # noqa: F811
    """Something from the pool for the next four hours."""
    await bench.ask(NORTH, 40_000, quarters=16, name="more")
    await bench.decide()
    assert [s for _, s, _ in await bench.story()] == ["partly"]
    return bench


async def use(bench: Bench, quarters: int, part: float) -> None:  # noqa: F811
    """What the group drew of what it held, from the hour on."""
    first = quarter_at(AT)
    drawn_w = np.repeat(part * (await bench.capacity_w())[NORTH, :quarters] / 3, 3).reshape(1, quarters, 3)
    window = Window(first, quarters)
    await bench.on.grid.measure("group", NORTH, window, drawn_w.transpose(0, 2, 1).astype("<f4"), window.end_moment)


async def cycles(bench: Bench, count: int, **rules) -> None:  # noqa: F811
    for i in range(1, count + 1):
        await run_cycle(AT + i * QUARTER, ports=bench.on, forecast=ForecastSettings(), cycle=CycleSettings(**rules))


async def held_w(bench: Bench) -> np.ndarray:  # noqa: F811
    held = await bench.on.requests.held(ForecastKind.CONSUMPTION, 3, Window(quarter_at(AT) + 4, 12))
    return held.granted_w[NORTH]


async def lapsed(bench: Bench) -> list[str]:  # noqa: F811
    rows = await bench.pool.fetch("select reason from request_event where step = 'lapsed'")
    return [r["reason"] for r in rows]


async def test_an_unused_grant_lapses_and_its_provider_is_told(granted):
    before_w = (await granted.capacity_w())[NORTH, :16]
    await use(granted, 3, part=0.1)

    await cycles(granted, 2)
    assert await lapsed(granted) == []
    await granted.pool.execute("truncate outbound_forecast")
    await cycles(granted, 3)

    assert await lapsed(granted) == ["unused for 2 quarter hours"]
    assert np.isnan(await held_w(granted)).all()
    after_w = (await granted.capacity_w(AT + 3 * QUARTER))[NORTH, :13]
    assert (after_w[:2] >= before_w[3:5] - 1).all()  # the next quarters stay as they were said
    assert (after_w[2:] < before_w[5:] - 50).all()
    told = await granted.pool.fetch("select kind from outbound_forecast where correlation_id = 'more'")
    assert [r["kind"] for r in told] == ["CONSUMPTION"]


async def test_what_lapsed_is_open_to_others_and_can_be_replayed(granted):
    await use(granted, 3, part=0.1)
    await cycles(granted, 3)
    at = AT + 3 * QUARTER
    before_w = (await granted.capacity_w(at))[1, 4:12]

    await granted.ask(1, 40_000, at=at + 4 * QUARTER, quarters=8)
    await decide_waiting(at, grid=granted.on.grid, requests=granted.on.requests)
    await cycles(granted, 4)

    assert ((await granted.capacity_w(at))[1, 4:12] > before_w + 50).all()
    for row in await granted.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(granted.pool))).is_equal
    assert await PostgresRecords(granted.pool).broken_links() == []


async def test_a_grant_that_is_used_stays(granted):
    await use(granted, 3, part=0.7)

    await cycles(granted, 4)

    assert await lapsed(granted) == []
    assert not np.isnan(await held_w(granted)).any()


async def test_what_is_not_measured_is_no_proof(granted):
    await use(granted, 2, part=0.0)

    await cycles(granted, 6)

    assert await lapsed(granted) == []


async def test_lapsing_can_be_switched_off(granted):
    await use(granted, 6, part=0.0)

    await cycles(granted, 6, lapse_quarters=0)

    assert await lapsed(granted) == []
