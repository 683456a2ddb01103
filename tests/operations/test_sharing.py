"""Several servers make the forecasts of one cycle; it is decided once, and as by one server alone."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from ampacity.errors import Conflict, NotReady
from ampacity.forecasting import ForecastSettings
from ampacity.operations.block_forecast import BlockForecast, dump_block, load_block
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast import forecast_block, forecast_with_base
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.simulation.district import make_district
from tests.operations.test_cycle import ports
from tests.operations.test_trees import PLAN, shuffled

AT = PLAN.window.end_moment
QUARTER = timedelta(minutes=15)
RULES = CycleSettings(elements_at_once=5, block_lease_s=0.5)
GIVEN = shuffled(make_district(PLAN))
SOON_S = 60.0


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("ampacity.operations.forecast_plan.ELEMENTS_PER_BLOCK", 4)


@dataclass(frozen=True)
class After:
    """An engine that begins with its first forecast when something has happened."""

    happened: asyncio.Event
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list = field(default_factory=list)
    engine: LocalEngine = field(default_factory=LocalEngine)
    at_once: int = 1

    def share(self, value):
        return self.engine.share(value)

    async def run(self, work, *arguments, **options):
        if work in (forecast_block, forecast_with_base):
            self.reached.set()
            await asyncio.wait_for(self.happened.wait(), SOON_S)
        result = await self.engine.run(work, *arguments, **options)
        self.seen.append(result)
        return result


async def cycle(on: CyclePorts, at=AT, rules=RULES):
    return await run_cycle(at, ports=on, forecast=ForecastSettings(), cycle=rules)


async def with_grid(pool) -> CyclePorts:
    on = ports(pool)
    await take_in(GIVEN, grid=on.grid, now=AT)
    return on


async def decided(pool) -> list[bytes]:
    """What each cycle decided, with what it rests on, in digests."""
    return [r[0] for r in await pool.fetch("select content_hash from decision_chain order by seq")]


async def held_in_the_middle(on: CyclePorts, at=AT) -> tuple[asyncio.Task, After]:
    """A server that decides a slot and has taken its first block, which it makes when it is told to."""
    engine = After(asyncio.Event())
    leading = asyncio.create_task(cycle(replace(on, engine=engine), at))
    await asyncio.wait_for(engine.reached.wait(), SOON_S)
    return leading, engine


async def test_two_servers_decide_what_one_decides_to_the_byte(pool, other_pool):
    alone = await with_grid(other_pool)
    one, other = await with_grid(pool), ports(pool)
    for at in (AT, AT + QUARTER):  # the first one fits models and makes fallbacks
        await cycle(alone, at)

        leading, engine = await held_in_the_middle(one, at)
        with pytest.raises(NotReady, match="by another server"):
            await cycle(other, at)
        made = await pool.fetchval("select count(*) from cycle_block where result is not null")
        engine.happened.set()
        record = await leading

        assert made == 3  # of four blocks
        assert record == await cycle(other, at)
    assert await decided(pool) == await decided(other_pool)
    assert await pool.fetchval("select count(*) from decision") == 2
    assert await pool.fetchval("select count(*) from cycle_block") == 0


async def test_the_blocks_of_a_server_that_dies_are_made_by_the_one_that_decides(pool, other_pool):
    await cycle(await with_grid(other_pool))
    on = await with_grid(pool)
    leading, engine = await held_in_the_middle(on)
    holder, dead = (await on.cycles.sharing.offered(AT)).holder, uuid4()
    taken = [await on.cycles.sharing.take(holder, dead, RULES.block_lease) for _ in range(3)]

    engine.happened.set()
    await leading

    assert taken == [12, 8, 4]
    assert await on.cycles.sharing.hand_in(holder, dead, 12, b"too late") is False
    assert await decided(pool) == await decided(other_pool)


async def test_nobody_works_for_a_cycle_whose_server_died(pool):
    on = await with_grid(pool)
    leading, engine = await held_in_the_middle(on)
    sharing = on.cycles.sharing
    holder = (await sharing.offered(AT)).holder
    assert await sharing.take(holder, uuid4(), RULES.block_lease) == 12

    await pool.execute("update cycle set lease_until = now() - interval '1 second'")

    assert await sharing.take(holder, uuid4(), RULES.block_lease) is None
    assert await sharing.offered(AT) is None
    record = await cycle(on)
    engine.happened.set()
    with pytest.raises(Conflict, match="taken over by another server"):
        await leading
    assert len(await decided(pool)) == 1
    assert await on.cycles.decided_cycle(AT) == record
    assert await pool.fetchval("select count(*) from cycle_block") == 0


async def test_a_server_that_would_forecast_otherwise_does_not_help(pool):
    on = await with_grid(pool)
    other = ports(pool)
    leading, engine = await held_in_the_middle(on)

    for _ in range(2):
        with pytest.raises(NotReady, match="by another server"):
            await cycle(other, rules=msgspec.structs.replace(RULES, extra_margin_w=50.0))

    assert await pool.fetchval("select count(*) from cycle_block where taken_by is not null") == 0
    engine.happened.set()
    assert (await leading).decision_id == 1


async def test_a_server_that_stops_gives_its_blocks_back(pool):
    on = await with_grid(pool)
    leading, engine = await held_in_the_middle(on)
    helping, _ = await held_in_the_middle(ports(pool))
    assert await pool.fetchval("select count(*) from cycle_block where taken_by is not null") == 1

    helping.cancel()
    await asyncio.gather(helping, return_exceptions=True)

    assert await pool.fetchval("select count(*) from cycle_block where taken_by is not null") == 0
    engine.happened.set()
    await leading


async def test_a_forecast_travels_to_the_bit(pool):
    on = await with_grid(pool)
    for at in (AT, AT + QUARTER):
        engine = After(asyncio.Event())
        engine.happened.set()
        await cycle(replace(on, engine=engine), at)
        made = [r[-1] if isinstance(r, tuple) else r for r in engine.seen]  # with its base or without
        blocks = [r for r in made if isinstance(r, BlockForecast)]

        for block in blocks:
            again = load_block(dump_block(block))

            assert again.elements == block.elements
            assert (again.marks, again.refitted) == (block.marks, block.refitted)
            assert (again.forecast.window, again.forecast.levels) == (block.forecast.window, block.forecast.levels)
            for mine, its in zip(arrays_of(again), arrays_of(block), strict=True):
                assert (mine is None) == (its is None)
                assert mine is None or (mine.dtype, mine.shape, mine.tobytes()) == (its.dtype, its.shape, its.tobytes())
        assert len(blocks) == 4


def arrays_of(block) -> list:
    forecast, room = block.forecast, block.room
    by_direction = (room.headroom_w, room.pool_w, room.fallback_w)
    return [forecast.load_w, forecast.source, forecast.weather_free, room.median_w] + [
        values for some in by_direction for _, values in sorted(some.items())
    ]
