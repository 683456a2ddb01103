"""What decisions rest on is read when a server starts, so that the first who asks does not wait for it."""

import asyncio

import pytest

from ampacity.operations import entitled as entitled_module
from ampacity.operations.adjust import decide_round
from ampacity.operations.entitled import KeptEntitlements
from ampacity.operations.kept_trees import KeptTrees
from ampacity.operations.prepare_decisions import prepare_decisions
from ampacity.operations.take_in import take_in
from ampacity.store import headroom as headroom_module
from ampacity.store.requests import PostgresRequests
from tests.operations.test_adjust import AT, NORTH, Bench, _with_two_trees


@pytest.fixture
async def two_trees(pool, given) -> Bench:
    return await _with_two_trees(pool, given)


async def test_what_was_prepared_is_neither_read_nor_worked_out_when_somebody_asks(two_trees, monkeypatch):
    grid, entitled, trees = two_trees.on.grid, KeptEntitlements(), KeptTrees()
    ready = PostgresRequests(two_trees.pool)
    prepared = await prepare_decisions(AT, grid=grid, requests=ready, entitled=entitled, trees=trees)
    await two_trees.ask(NORTH, 100)
    await two_trees.ask(2, 100)

    async def read(*_: object) -> None:
        raise AssertionError("headroom was read")

    def worked_out(*_: object) -> None:
        raise AssertionError("what groups are entitled to was worked out")

    monkeypatch.setattr(headroom_module, "_read", read)
    with pytest.raises(AssertionError, match="headroom was read"):
        await decide_round(AT, grid=grid, requests=PostgresRequests(two_trees.pool), trees=trees)
    monkeypatch.setattr(entitled_module, "entitled", worked_out)
    decided = await decide_round(AT, grid=grid, requests=ready, entitled=entitled, trees=trees)

    assert (prepared, decided) == (2, 2)
    assert (await two_trees.capacity_w())[[NORTH, 2], :4].max(axis=1).tolist() == [100, 100]


async def test_before_the_first_cycle_there_is_nothing_to_prepare(pool, given):
    bench = Bench(pool)
    await take_in(given, grid=bench.on.grid, now=AT)

    assert await prepare(bench) == 0


async def test_what_takes_too_long_is_left_to_who_asks(two_trees):
    assert await prepare(two_trees, patience_s=-1.0) == 0
    assert await prepare(two_trees) == 2


async def test_a_server_starts_though_the_gate_is_closed(two_trees):
    async with two_trees.on.requests.gate(alone=True), asyncio.timeout(30):
        assert await prepare(two_trees, patience_s=0.3) == 0

    assert await prepare(two_trees) == 2


async def prepare(bench: Bench, **patience: float) -> int:
    return await prepare_decisions(
        AT, grid=bench.on.grid, requests=bench.on.requests, entitled=KeptEntitlements(), trees=KeptTrees(), **patience
    )
