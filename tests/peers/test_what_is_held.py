"""A real peer, over many cycles: it holds a day of every kind at all times, and never more than is decided."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest

from ampacity.app.peering import build_peering
from ampacity.forecasting import ForecastSettings
from ampacity.network import ForecastKind
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.oscp.client import OscpClient
from ampacity.oscp.transport import GuardedTransport
from ampacity.simulation.listener import listening
from ampacity.simulation.provider import FP_PATH, SimulatedProvider
from ampacity.store.peers import PeerStore
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.timegrid import QUARTER, Window, quarter_at
from tests.operations.conftest import DAYS, START, small_input
from tests.peers.world import NOW, put_through, settings

AT = START + timedelta(days=DAYS)
CYCLES = 30  # longer than a message lasts
LIMITS = [k for k in ForecastKind if k is not ForecastKind.OPTIMUM]
PROVIDERS = {"north": ("north-c1", "north-c2"), "harbour": ("harbour-c1",)}


async def deliver(peering) -> None:
    while ready := await peering.sender.ready():
        await asyncio.gather(*(peering.sender.send(no) for no in ready))


def told_w(provider: SimulatedProvider, group_id: str, kind: str, quarter: int) -> float | None:
    watts = provider.groups[group_id].capacity_w[kind].get(quarter)
    return None if watts is None else float(watts.sum())


@pytest.mark.parametrize("jitter_w", [30.0, 600.0])
async def test_a_peer_holds_a_day_of_every_kind_and_never_more_than_is_decided(pool, jitter_w):
    given = small_input()
    on = CyclePorts(
        grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool), peers=PeerStore(pool),
        usage=UsageStore(pool),
    )  # fmt: skip
    await take_in(given, grid=on.grid, now=AT)
    rng = np.random.default_rng(3)
    client = OscpClient(GuardedTransport({"127.0.0.1"}), base_url="")
    peers = {
        name: SimulatedProvider(client=client, tell=lambda *_: None, own_url="", tokens_in={"their token"})
        for name in PROVIDERS
    }
    numbers = {group.group_id: g for g, group in enumerate(given.network.groups)}
    messages = []
    async with (
        listening("127.0.0.1", 0, peers["north"].respond) as north,
        listening("127.0.0.1", 0, peers["harbour"].respond) as harbour,
    ):
        for name, port in (("north", north), ("harbour", harbour)):
            await put_through(pool, name, f"http://127.0.0.1:{port}{FP_PATH}")
        peering = build_peering(pool, settings(), public_url="http://127.0.0.1:1", clock=lambda: NOW)
        for k in range(CYCLES):
            at = AT + k * QUARTER
            if k:
                last = Window(quarter_at(at) - 1, 1)
                before_w = await on.grid.loads("element", range(3), Window(last.first - 96, 1), at)
                load_w = (before_w + rng.normal(0, jitter_w, before_w.shape)).astype(np.float32)
                await on.grid.measure("element", 0, last, load_w, at)
            record = await run_cycle(at, ports=on, forecast=ForecastSettings(), cycle=CycleSettings())
            messages.append(record.summary["messages"])
            await deliver(peering)

            decided = await on.cycles.newest_capacities(3, at)
            now = quarter_at(at)
            for name, groups in PROVIDERS.items():
                for group_id in groups:
                    for kind in ForecastKind:  # until the messages of the next cycle have arrived
                        assert all(
                            told_w(peers[name], group_id, kind.value, q) is not None for q in range(now, now + 97)
                        )
                    for kind in LIMITS:
                        steps = decided[kind].steps
                        for s in range(steps.count):
                            q = steps.first + s * steps.quarters
                            said_w = told_w(peers[name], group_id, kind.value, q)
                            if q >= now and said_w is not None:
                                assert said_w <= decided[kind].capacity_w[numbers[group_id], s] + 0.1
        await peering.client.close()
        await client.close()

    assert messages[0] == 3 * len(ForecastKind)
    assert sum(messages[1:]) < 0.7 * 9 * (CYCLES - 1)
