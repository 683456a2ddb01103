"""Prepares a district for `ampacity bench cycle`: every load is made up, every model is fitted by the first cycle."""

from dataclasses import replace

from ampacity.app.progress import Show
from ampacity.network import Element, Group, GroupId, Network
from ampacity.simulation.district import DistrictPlan, blocks, district_network, district_weather, providers_of
from ampacity.store.grid import write_grid
from ampacity.store.pool import connect
from ampacity.store.series import write_load
from ampacity.store.taking_in import take_in_weather

HISTORY_DAYS = 56
HOMES_PER_CABLE = 10
CABLES_PER_TRANSFORMER = 9


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


async def prepare(dsn: str, plan: DistrictPlan, show: Show) -> None:
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
                show("loads", where.stop, len(network.elements))
            await connection.execute("vacuum analyze load_block, element_version, contract")
    finally:
        await pool.close()
