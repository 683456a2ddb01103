"""Requests of many providers, deciders that are killed at random: nothing is given twice, everything is answered."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest

from ampacity.intake import LoadSeries
from ampacity.network import ForecastKind, GroupId, Network, Provider, ProviderId
from ampacity.operations.take_in import take_in
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import quarter_at
from tests.operations.test_adjust import AT, Bench

PROVIDERS = 20
QUARTERS = 8


@pytest.fixture
async def crowd(pool, given):
    """Twenty providers with a group on each of two tight cables, and a decided quarter hour."""
    network = given.network
    names = [f"p{i:02}" for i in range(PROVIDERS)]
    groups = [
        replace(
            network.groups[0], group_id=GroupId(f"{name}-{cable}"), provider_id=ProviderId(name),
            element_id=network.elements[cable].element_id, contracted_import_w=11_000.0, firm_import_w=200.0,
        )
        for name in names for cable in (1, 2)
    ]  # fmt: skip
    providers = [Provider(provider_id=ProviderId(name), name=name) for name in names]
    crowd = replace(
        given, network=Network.of(network.elements, groups, providers), group_measurements=LoadSeries.empty(len(groups))
    )
    bench = Bench(pool)
    await take_in(crowd, grid=bench.on.grid, now=AT)
    await bench.cycle()
    return bench


class Deciders:
    """Two processes, one of which is killed now and then and started again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._running: list[asyncio.subprocess.Process] = []
        self.killed = 0
        self._kill = asyncio.Condition()

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.operations.decider", self._dsn, AT.isoformat(),
            stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", *sys.path[:1]])},
        )  # fmt: skip
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        self._running.append(process)

    async def kill_one(self) -> None:
        process = self._running.pop(0)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with self._kill:
            self.killed += 1
            self._kill.notify_all()
        await self.start()

    async def were_killed(self, times: int) -> None:
        """Wait until they were, so many times in all."""
        async with self._kill:
            await self._kill.wait_for(lambda: self.killed >= times)

    async def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def ask(bench: Bench, provider: int, count: int, seed: int, deciders: Deciders, kills: int) -> None:
    """A provider that asks for one or the other of its groups, more or less, again and again, between so many kills."""
    rng = np.random.default_rng([seed, provider])
    for i in range(count):
        await deciders.were_killed((i + 1) * kills // count)
        start, quarters = int(rng.integers(0, QUARTERS)), int(rng.integers(1, 9))
        wanted = np.full(quarters, float(rng.integers(0, 11_000)), "<f4").tobytes()
        await bench.pool.execute(
            "insert into capacity_request (provider_no, group_no, kind, request_id, content_hash, received_at,"
            " first_quarter, quarters, wanted_w) values ($1, $2, 'CONSUMPTION', $3, '', $4, $5, $6, $7)",
            provider, 2 * provider + int(rng.integers(2)), f"{provider}-{i}", AT, quarter_at(AT) + start, quarters,
            wanted,
        )  # fmt: skip
        await asyncio.sleep(float(rng.random()) * 0.02)


async def _until_all_decided(bench: Bench, deciders: Deciders, asking: asyncio.Future, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    statement = "select count(*) from request_event where step in ('granted', 'partly', 'refused', 'returned')"
    async with asyncio.timeout(400):
        while not asking.done() or await bench.pool.fetchval(statement) < count:
            await asyncio.sleep(0.2 + float(rng.random()))
            await deciders.kill_one()


async def run_crowd(bench: Bench, dsn: str, each: int, kills: int, seed: int = 1) -> int:
    """Let every provider ask so many times, while a decider is killed at least so often; gives how often one was."""
    deciders = Deciders(dsn)
    for _ in range(2):
        await deciders.start()
    try:
        asking = asyncio.gather(*(ask(bench, p, each, seed, deciders, kills) for p in range(PROVIDERS)))
        await _until_all_decided(bench, deciders, asking, PROVIDERS * each, seed)
        await asking
    finally:
        await deciders.stop()
    return deciders.killed


async def assert_all_is_well(bench: Bench, count: int) -> None:
    decided = await bench.pool.fetch(
        "select request_no, count(*) filter (where step in ('granted', 'partly', 'refused', 'returned')) as times"
        " from capacity_request left join request_event using (request_no) group by request_no"
    )
    assert len(decided) == count
    assert {r["times"] for r in decided} == {1}
    answered = await bench.pool.fetchval(
        "select count(*) from capacity_request r where exists"
        " (select from outbound_forecast o where o.correlation_id = r.request_id and o.group_no = r.group_no)"
    )
    assert answered == count
    await assert_never_too_much(bench)


async def assert_never_too_much(bench: Bench) -> None:
    """After each decision, in the order of the commits, no element carries more than its headroom."""
    records = PostgresRecords(bench.pool)
    assert await records.broken_links() == []
    network = await bench.on.grid.network()
    room_w = np.maximum(await bench.headroom_w(), 0.0)
    last = (await records.chain_head()).seq
    for seq in range(1, last + 1):
        tables = await records.capacities_at(len(network.groups), AT, seq)
        capacity_w = tables[ForecastKind.CONSUMPTION].capacity_w[:, : 2 * QUARTERS]
        drawn_w = network.behind(capacity_w[:, None, :] * network.phase_share[:, :, None])
        assert (drawn_w <= room_w[:, :, : 2 * QUARTERS] + 0.1).all(), f"after decision {seq} of the chain"


async def test_killed_deciders_lose_and_double_nothing(crowd, dsn):
    killed = await run_crowd(crowd, dsn, each=10, kills=2)

    assert killed >= 2
    await assert_all_is_well(crowd, PROVIDERS * 10)


@pytest.mark.slow
async def test_five_thousand_requests_survive_killed_deciders(crowd, dsn):
    killed = await run_crowd(crowd, dsn, each=250, kills=5)

    assert killed >= 5
    await assert_all_is_well(crowd, PROVIDERS * 250)
