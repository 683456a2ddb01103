"""Servers share what is to be done beside the cycles: each block is learnt, and each base made, by one of them."""

import asyncio
from datetime import timedelta

import pytest

from ampacity.forecasting import ForecastSettings
from ampacity.operations.bases import Bases
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
    async with dead.cycles.sharing.alone(BlockWork.LEARNING, 4) as is_ours:
        assert is_ours
        assert await learnt(alive, at) == ELEMENTS - 4
        async with alive.cycles.sharing.alone(BlockWork.BASES, 4) as is_other_work:
            assert is_other_work

    assert await learnt(alive, at) == 4
