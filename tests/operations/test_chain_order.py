"""What holds is what was decided last, by the chain, for headroom as for capacities."""

from datetime import timedelta

import numpy as np

from ampacity.network import Direction
from ampacity.operations.replay import replay
from ampacity.store.block_digests import as_reals
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import quarter_at
from tests.operations.conftest import small_network
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401
from tests.operations.test_emergency import impose_on

QUARTER, MINUTE = timedelta(minutes=15), timedelta(minutes=1)


async def window_of_headroom(bench: Bench, at):  # noqa: F811
    async with bench.on.requests.gate() as gate:
        window, _ = await gate.headroom(Direction.IMPORT, at)
        return window


async def is_within_headroom(bench: Bench, at) -> bool:  # noqa: F811
    network = small_network()
    drawn_w = network.behind((await bench.capacity_w(at))[:, None, :] * network.phase_share[:, :, None])
    return bool((drawn_w <= np.maximum(await bench.headroom_w(at), 0) + 0.1).all())


async def test_of_two_decisions_of_the_same_time_the_later_one_holds(bench):  # noqa: F811
    calm_w, before_w = await bench.headroom_w(), await bench.capacity_w()

    await impose_on(bench, now=AT)

    assert ((await bench.headroom_w())[1, :, :8] < calm_w[1, :, :8]).all()
    assert ((await bench.capacity_w())[NORTH, :8] < before_w[NORTH, :8]).all()


async def test_a_late_cycle_holds_over_an_emergency_of_a_later_time(bench):  # noqa: F811
    """The cycle of 00:15 is decided after an emergency of 00:17, and heeds it."""
    await impose_on(bench, now=AT + 17 * MINUTE)
    await bench.cycle(AT + QUARTER)
    at = AT + 20 * MINUTE

    window = await window_of_headroom(bench, at)
    await bench.ask(NORTH, 40_000, at=at)
    await bench.ask(HARBOUR, 0, at=at)
    await bench.decide(at)

    assert window.first == quarter_at(AT + QUARTER)
    assert await is_within_headroom(bench, at)
    for row in await bench.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(bench.pool))).is_equal


async def test_blocks_hashed_by_who_writes_them_make_the_hash_that_whoever_checks_works_out_anew(decided_pool):
    async def hashed(as_written: str) -> bytes:
        async with decided_pool.acquire() as connection, connection.transaction():
            await connection.execute(f"set local ampacity.as_written = '{as_written}'")
            return await connection.fetchval("select decision_content_hash(max(decision_id)) from decision")

    chained = await decided_pool.fetchval("select content_hash from decision_chain")
    assert await hashed("on") == await hashed("off") == chained

    await decided_pool.execute("update headroom_block set headroom_w = set_byte(headroom_w, 0, 255)")

    assert await hashed("on") == chained
    assert len(await PostgresRecords(decided_pool).broken_links()) == 1


async def test_levels_are_hashed_as_the_database_writes_them(decided_pool):
    levels = [1e-5, 0.0001, 0.005, 0.01, 0.05, 1 / 3, 0.5, 0.99, 0.999999, 1.0]

    assert as_reals(levels) == await decided_pool.fetchval("select $1::real[]::text", levels)
