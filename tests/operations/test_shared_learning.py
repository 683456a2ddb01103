"""Servers share what is to be done beside the cycles: each block is learnt, and each base made, by one of them."""

import asyncio
from datetime import timedelta

import pytest

from ampacity.errors import NotReady
from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
from ampacity.operations.block_work import work_through
from ampacity.operations.engine import LocalEngine
from ampacity.operations.learn import learn
from ampacity.operations.prepare_bases import prepare_bases
from ampacity.operations.settings import CycleSettings
from ampacity.ports import BlockWork
from tests.operations.test_cycle import ports
from tests.operations.test_sharing import AT, GIVEN, cycle, small_blocks, with_grid  # noqa: F401  # a fixture

SETTINGS = {"forecast": ForecastSettings(), "cycle": CycleSettings()}
ELEMENTS = len(GIVEN.network.elements)
LAST = AT + timedelta(minutes=45)  # before the bases of new hours are needed


@pytest.fixture
async def two_servers(pool):
    on = await with_grid(pool)
    await cycle(on, AT)
    return on, ports(pool)


async def learnt(on, at):
    return await learn(at, grid=on.grid, cycles=on.cycles, **SETTINGS)


async def prepared(on, bases):
    return await prepare_bases(LAST, grid=on.grid, cycles=on.cycles, bases=bases, **SETTINGS)


async def test_two_servers_learn_each_block_once(two_servers, pool):
    at = AT + timedelta(days=1)

    shares = await asyncio.gather(*(learnt(on, at) for on in two_servers))

    assert sum(shares) == ELEMENTS
    assert min(shares) > 0
    assert await pool.fetchval("select count(*) from forecast_model where made_at = $1", at) == -(-ELEMENTS // 4)
    assert await learnt(two_servers[0], at) == 0


async def test_two_servers_make_each_base_once(two_servers):
    kept = Bases(), Bases()

    shares = await asyncio.gather(*(prepared(on, k) for on, k in zip(two_servers, kept, strict=True)))

    assert sum(shares) == ELEMENTS
    assert min(k.made for k in kept) > 0
    assert sum(k.made for k in kept) == -(-ELEMENTS // 4)


async def test_what_a_server_that_died_was_learning_another_learns(two_servers, pool):
    dead, alive = two_servers
    at = AT + timedelta(days=1)
    async with dead.cycles.sharing.alone(BlockWork.LEARNING) as dying:
        assert await dying.take(4)
        assert await learnt(alive, at) == ELEMENTS - 4
        async with alive.cycles.sharing.alone(BlockWork.BASES) as other_work:
            assert await other_work.take(4)

    assert await learnt(alive, at) == 4


async def test_blocks_are_free_again_for_others_one_by_one(two_servers):
    one, other = (on.cycles.sharing for on in two_servers)
    async with one.alone(BlockWork.LEARNING) as here, other.alone(BlockWork.LEARNING) as there:
        assert [await here.take(0), await here.take(4)] == [True, True]
        assert [await there.take(0), await there.take(4)] == [False, False]
        await here.free(4)
        assert [await there.take(0), await there.take(4)] == [False, True]


async def test_work_that_fails_is_told_and_holds_no_block(two_servers):
    one, other = (on.cycles.sharing for on in two_servers)

    async def fail(block):
        raise NotReady(f"block {block.start}")

    with pytest.raises(NotReady, match="block 4"):
        async with one.alone(BlockWork.LEARNING) as locks:
            await work_through([range(4, 8), range(8, 12)], 1, locks, fail)

    async with other.alone(BlockWork.LEARNING) as locks:
        assert await locks.take(4)


async def test_models_learnt_by_an_engine_are_those_of_one_thread(two_servers, pool):
    async def models_of(engine, days):
        at = AT + timedelta(days=days)
        on = two_servers[0]
        await learn(at, grid=on.grid, cycles=on.cycles, engine=engine, **SETTINGS)
        rows = await pool.fetch("select state from forecast_model where made_at = $1 order by first_no", at)
        await pool.execute("delete from forecast_model where made_at = $1", at)
        return [row["state"] for row in rows]

    for days in (1, 8):  # learnt from the day's errors, and fitted anew
        assert await models_of(LocalEngine(at_once=1), days) == await models_of(LocalEngine(at_once=3), days)


async def test_each_day_has_its_share_of_the_fits_and_each_block_one_a_week(two_servers, pool):
    on = two_servers[0]
    for days in range(1, 8):
        await learnt(on, AT + timedelta(days=days))

    fits = await pool.fetch(
        "select first_no, fitted_at from forecast_model where fitted_at > $1 and fitted_at = made_at", AT
    )
    assert [(f["fitted_at"] - AT).days % 7 for f in sorted(fits, key=lambda f: f["first_no"])] == [
        next(d % 7 for d in range(1, 8) if (AT + timedelta(days=d)).toordinal() % 7 == -block % 7)
        for block in range(-(-ELEMENTS // 4))
    ]
