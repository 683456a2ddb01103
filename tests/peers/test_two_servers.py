"""Twenty providers ask two servers over HTTP, which are killed at random: nothing too much, nothing twice."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from ampacity.intake import LoadSeries
from ampacity.network import ForecastKind, GroupId, Network, PowerUnit, Provider, ProviderId
from ampacity.operations.take_in import take_in
from ampacity.simulation.listener import listening
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import quarter_at
from tests.killing import kill_whole
from tests.operations.conftest import given  # noqa: F401
from tests.operations.test_adjust import AT, Bench
from tests.peers.test_outbox import Sink
from tests.peers.world import SECRET, block, free_port, give_token, put_through

PROVIDERS = 20
QUARTERS = 8
DECIDED = "('granted', 'partly', 'refused', 'returned')"


@pytest.fixture
async def crowd(pool, given) -> Bench:  # noqa: F811
    """Twenty providers with a group on each of two tight cables, and a decided quarter hour."""
    network = given.network
    names = [f"p{i:02}" for i in range(PROVIDERS)]
    groups = [
        replace(
            network.groups[0], group_id=GroupId(f"{name}-{cable}"), provider_id=ProviderId(name), unit=PowerUnit.W,
            element_id=network.elements[cable].element_id, contracted_import_w=11_000.0, firm_import_w=200.0,
        )
        for name in names for cable in (1, 2)
    ]  # fmt: skip
    providers = [Provider(provider_id=ProviderId(name), name=name) for name in names]
    bench = Bench(pool)
    grid = Network.of(network.elements, groups, providers)
    folder = replace(given, network=grid, group_measurements=LoadSeries.empty(len(groups)))
    await take_in(folder, grid=bench.on.grid, now=AT)
    await bench.cycle()
    return bench


@dataclass
class Servers:
    """Two of `ampacity serve` on one database, on the clock of the data, one of which is killed now and then."""

    dsn: str
    log: Path
    begun: float
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    killed: int = 0
    _kill: asyncio.Condition = field(default_factory=asyncio.Condition)

    def now(self):
        return AT + timedelta(seconds=60 + asyncio.get_running_loop().time() - self.begun)

    async def start(self, port: int) -> None:
        environment = {
            **os.environ, "DATABASE_URL": self.dsn, "AMPACITY_OSCP_SECRET_KEY": SECRET,
            "AMPACITY_OSCP_TRUSTED_HOSTS": "127.0.0.1", "AMPACITY_OSCP_LEASE_S": "5",
            "AMPACITY_OSCP_SEND_TIMEOUT_S": "3", "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        with self.log.open("ab") as log:
            self.running[port] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ampacity", "serve", "--port", str(port), "--at", self.now().isoformat(),
                "--speed", "1", stdout=log, stderr=log, env=environment,
            )  # fmt: skip

    async def kill(self, port: int) -> None:
        await kill_whole(self.running.pop(port))

    async def is_up(self, port: int) -> None:
        """Wait until it can be asked."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return

    async def kill_at_random(self, rng: np.random.Generator, pause_s: float) -> None:
        while True:
            port = self.ports[int(rng.integers(2))]
            await self.is_up(port)
            await asyncio.sleep(2 * pause_s * float(rng.random()))
            await self.kill(port)
            async with self._kill:
                self.killed += 1
                self._kill.notify_all()
            await self.start(port)

    async def were_killed(self, times: int) -> None:
        """Wait until they were, so many times in all."""
        async with self._kill:
            await self._kill.wait_for(lambda: self.killed >= times)

    async def stop(self) -> None:
        for port in list(self.running):
            await self.kill(port)


async def ask(servers: Servers, provider: int, count: int, seed: int, statuses: list[int], kills: int) -> None:
    """A provider that asks one server or the other between so many kills, and with the same id where nobody answers."""
    rng = np.random.default_rng([seed, provider])
    asked: set[tuple[int, ...]] = set()
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
        for i in range(count):
            await servers.were_killed((i + 1) * kills // count)
            while (what := tuple(int(rng.integers(n)) for n in (2, QUARTERS, 8, 11_000))) in asked:
                pass
            asked.add(what)
            cable, start, quarters, wanted_w = what
            body = {
                "group_id": f"p{provider:02}-{cable + 1}", "type": "CONSUMPTION",
                "forecasted_blocks": [block(quarter_at(AT) + 1 + start, float(wanted_w), quarters=1 + quarters)],
            }  # fmt: skip
            statuses.append(await _until_taken(http, servers, rng, provider, i, body))


async def _until_taken(http, servers: Servers, rng, provider: int, i: int, body: dict) -> int:
    headers = {"Authorization": f"Token token {provider}", "X-Request-ID": f"{provider}-{i}"}
    while True:
        port = servers.ports[int(rng.integers(2))]
        url = f"http://127.0.0.1:{port}/oscp/cp/2.0/adjust_group_capacity_forecast"
        try:
            answer = await http.post(url, json=body, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code < 500:
            return answer.status_code


async def run_crowd(
    bench: Bench, dsn: str, tmp_path: Path, *, each: int, kills: int, pause_s: float, seed: int = 1
) -> dict:
    """Let every provider ask so many times, while a server is killed at least so often; gives the counts."""
    servers = Servers(dsn, tmp_path / "serve.log", asyncio.get_running_loop().time())
    heard, statuses = Sink(), []
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening("127.0.0.1", 0, heard.respond))
        for p in range(PROVIDERS):
            await put_through(bench.pool, f"p{p:02}", f"http://127.0.0.1:{port}/oscp/fp/2.0")
            await give_token(bench.pool, f"p{p:02}", f"token {p}")
        stack.push_async_callback(servers.stop)
        for own in servers.ports:
            await servers.start(own)
        killing = asyncio.create_task(servers.kill_at_random(np.random.default_rng(seed), pause_s))
        try:
            await asyncio.gather(*(ask(servers, p, each, seed, statuses, kills) for p in range(PROVIDERS)))
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        for own in set(servers.ports) - set(servers.running):
            await servers.start(own)  # it was killed at the very end
        await _all_answered(bench, PROVIDERS * each, servers)
    assert set(statuses) == {204}
    decisions = await assert_all_is_well(bench, PROVIDERS * each, heard)
    steps = await bench.pool.fetch("select step::text, count(*) from request_event group by step order by step")
    return {
        "requests": len(statuses), "kills": servers.killed, "decisions": decisions, "answers heard": len(heard.got),
        **{r["step"]: r["count"] for r in steps},
    }  # fmt: skip


async def _all_answered(bench: Bench, count: int, servers: Servers) -> None:
    statement = (
        f"select (select count(*) from request_event where step in {DECIDED}) as decided,"
        " (select count(distinct correlation_id) from outbound_forecast where sent_at is not null) as answered"
    )
    found = None
    for _ in range(600):
        found = await bench.pool.fetchrow(statement)
        if found["decided"] == count and found["answered"] == count:
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"{dict(found)} of {count}: {servers.log.read_text()[-2000:]}")


async def assert_all_is_well(bench: Bench, count: int, heard: Sink) -> int:
    """Each request decided once and answered to its provider; never too much; gives the number of decisions."""
    times = await bench.pool.fetch(
        f"select count(*) filter (where step in {DECIDED}) as times"
        " from capacity_request left join request_event using (request_no) group by request_no"
    )
    assert [r["times"] for r in times] == [1] * count
    told = {headers.get("x-correlation-id") for _, headers in heard.got}
    ids = {r["request_id"] for r in await bench.pool.fetch("select request_id from capacity_request")}
    assert len(ids) == count
    assert ids <= told
    return await assert_never_too_much(bench)


async def assert_never_too_much(bench: Bench) -> int:
    """After each decision, in the order of the commits, no element carries more than its headroom."""
    records, network = PostgresRecords(bench.pool), await bench.on.grid.network()
    assert await records.broken_links() == []
    room_w = np.maximum(await bench.headroom_w(), 0.0)
    order = await bench.pool.fetch(
        "select d.decision_id, d.kind from decision_chain c join decision d using (decision_id) order by c.seq"
    )
    assert [r["kind"] for r in order].count("cycle") == 1  # all in one quarter hour: the headroom is one
    held_w: np.ndarray | None = None
    first = 0
    for row in order:
        for part in await records.stored(row["decision_id"]):
            if part.kind is not ForecastKind.CONSUMPTION:
                continue
            if held_w is None:
                first, held_w = part.steps.first, np.zeros((len(network.groups), part.steps.count))
            rows = slice(part.first_no, part.first_no + len(part.capacity_w))
            held_w[rows, part.steps.first - first :] = part.capacity_w
        drawn_w = network.behind(held_w[:, None, :] * network.phase_share[:, :, None])
        assert (drawn_w <= room_w + 0.1).all(), f"after decision {row['decision_id']}"
    return len(order)


async def test_two_killed_servers_lose_and_double_nothing(crowd, dsn, tmp_path):
    counts = await run_crowd(crowd, dsn, tmp_path, each=5, kills=1, pause_s=3.0)

    assert counts["requests"] == PROVIDERS * 5
    assert counts["kills"] >= 1


@pytest.mark.slow
async def test_five_thousand_requests_survive_two_killed_servers(crowd, dsn, tmp_path):
    counts = await run_crowd(crowd, dsn, tmp_path, each=250, kills=10, pause_s=1.0)

    print(counts)  # noqa: T201  # the counts belong into the report
    assert counts["requests"] == 5_000
    assert counts["kills"] >= 10
