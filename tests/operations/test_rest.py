"""The watts that rounding leaves: to nobody, or one each to the largest remainders in an order that rotates."""

from dataclasses import replace

import numpy as np

from ampacity.forecasting import ForecastSettings
from ampacity.network import Network
from ampacity.operations.cycle import run_cycle
from ampacity.operations.replay import replay
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.records import PostgresRecords
from tests.operations.conftest import small_network
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench


async def decided(pool, given, **rules) -> Bench:
    bench = Bench(pool)
    await take_in(given, grid=bench.on.grid, now=AT)
    await run_cycle(AT, ports=bench.on, forecast=ForecastSettings(), cycle=CycleSettings(**rules))
    return bench


async def test_the_rest_goes_to_one_of_two_equals_in_turns_and_never_beyond_headroom(pool, given):
    bench = await decided(pool, given, hand_out_rest=True, pool_fraction=0.0)

    capacity_w, room_w = await bench.capacity_w(), np.maximum(await bench.headroom_w(), 0)
    more_w = capacity_w[NORTH] - capacity_w[HARBOUR]
    assert set(more_w.tolist()) == {-1.0, 0.0, 1.0}
    network = small_network()
    drawn_w = network.behind(capacity_w[:, None, :] * network.phase_share[:, :, None])
    assert (drawn_w <= room_w + 0.01).all()
    for row in await pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(pool))).is_equal


async def test_two_equals_have_the_same_by_default(pool, given):
    bench = await decided(pool, given)

    capacity_w = await bench.capacity_w()
    assert (capacity_w[NORTH] == capacity_w[HARBOUR]).all()


async def test_the_order_is_that_of_a_tree_whatever_is_decided_beside_it(pool, given):
    """A cycle decides batches of trees, a replay all at once."""
    apart = replace(given.network.elements[2], parent_id=None)
    forest = Network.of((*given.network.elements[:2], apart), given.network.groups, given.network.providers)
    bench = await decided(
        pool, replace(given, network=forest), hand_out_rest=True, pool_fraction=0.0, elements_at_once=1
    )

    for row in await bench.pool.fetch("select decision_id from decision"):
        replayed = await replay(row["decision_id"], PostgresRecords(pool))
        assert replayed.is_equal, replayed.differences
