"""`ampacity bench cycle`: one publication cycle over made-up elements in a database of its own."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ampacity.app.memory import peak_mib
from ampacity.app.settings import Settings
from ampacity.network import Element, Group, GroupId, Network
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.simulation.district import DistrictPlan, blocks, district_network, district_weather, providers_of
from ampacity.store.grid import write_grid
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.series import write_load
from ampacity.store.taking_in import take_in_weather
from ampacity.store.usage import UsageStore

HISTORY_DAYS = 56
HOMES_PER_CABLE = 10
CABLES_PER_TRANSFORMER = 9

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CycleBench:
    """What one cycle took."""

    elements: int
    groups: int
    messages: int
    stages: dict[str, float]
    total_s: float
    peak_mib: float


def bench_plan(elements: int, groups_per_element: int) -> DistrictPlan:
    """A district with that many elements, or a few less: transformers with nine cables each."""
    cables = max(1, elements * CABLES_PER_TRANSFORMER // (CABLES_PER_TRANSFORMER + 1))
    return DistrictPlan(
        homes=cables * HOMES_PER_CABLE,
        cables=cables,
        days=HISTORY_DAYS,
        cables_per_transformer=CABLES_PER_TRANSFORMER,
        groups_per_cable=groups_per_element,
    )


def bench_network(plan: DistrictPlan) -> Network:
    """The district's grid with groups behind its transformers too."""
    made = district_network(plan)
    template = made.groups[: plan.groups_per_cable]
    transformers = [e for e in made.elements if e.parent_id is None]
    more = [_behind(t, g) for t in transformers for g in template]
    return Network.of(made.elements, [*made.groups, *more], made.providers)


def _behind(element: Element, group: Group) -> Group:
    name = GroupId(f"{element.element_id}-{group.provider_id}")
    return replace(group, group_id=name, element_id=element.element_id, phases=element.phases)


async def prepare(dsn: str, plan: DistrictPlan, progress: Progress) -> None:
    """Fill the database: the grid, eight weeks of load, the weather."""
    network = bench_network(plan)
    pool = await connect(dsn, max_size=1)
    try:
        async with pool.acquire() as connection:
            async with connection.transaction():
                await write_grid(connection, network.elements, network.groups, providers_of(plan))
                await take_in_weather(connection, district_weather(plan))
            for where, load_w in blocks(plan):
                async with connection.transaction():
                    await write_load(connection, "element", where.start, plan.window, load_w, None)
                progress(where.stop, len(network.elements))
            await connection.execute("vacuum analyze load_block, element_version, contract")
    finally:
        await pool.close()


def run_apart(dsn: str, at: datetime, settings: Settings) -> CycleBench:
    """Run the cycle in a process of its own, whose memory is the cycle's alone."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, dsn, at, settings))
    process.start()
    sender.close()
    try:
        outcome: CycleBench = receiver.recv()
    finally:
        process.join()
    return outcome


def _run(sender: "multiprocessing.connection.Connection", dsn: str, at: datetime, settings: Settings) -> None:
    sender.send(asyncio.run(measure(dsn, at, settings)))


async def measure(dsn: str, at: datetime, settings: Settings) -> CycleBench:
    """One cycle from the first read to the last row committed."""
    pool = await connect(dsn)
    try:
        ports = CyclePorts(
            grid=PostgresGrid(pool),
            cycles=PostgresCycles(pool),
            requests=PostgresRequests(pool),
            peers=Everybody(),
            usage=UsageStore(pool),
        )
        start = time.perf_counter()
        record = await run_cycle(at, ports=ports, forecast=settings.forecast.build(), cycle=settings.cycle)
        total_s = time.perf_counter() - start
        network = await ports.grid.network()
        return CycleBench(
            elements=len(network.elements),
            groups=len(network.groups),
            messages=int(str(record.summary["messages"])),
            stages={name: round(s, 3) for name, s in record.stages.items()},
            total_s=round(total_s, 3),
            peak_mib=round(peak_mib(), 1),
        )
    finally:
        await pool.close()


class Everybody:
    """Every provider counts as connected, so that every message is written."""

    async def connected_providers(self) -> range:
        return range(1_000)
