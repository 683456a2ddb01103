"""A stored decision can be computed again to the byte, and a changed one is found."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ampacity.errors import NotFound
from ampacity.network import Network
from ampacity.operations.replay import replay
from ampacity.operations.take_in import take_in
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

QUARTER = timedelta(minutes=15)


async def make_decisions(bench: Bench, requests: int, rounds: int, seed: int = 0) -> None:  # noqa: F811
    """Cycles with requests between them, of all sorts."""
    rng = np.random.default_rng(seed)
    for i in range(rounds):
        at = AT + i * QUARTER
        await bench.cycle(at)
        for n in range(requests):
            group = int(rng.integers(3))
            start = at + int(rng.integers(0, 12)) * QUARTER
            await bench.ask(group, float(rng.integers(0, 45_000)), at=start, name=f"r{i}-{n}")
            await bench.decide(at)


async def all_decisions(pool) -> list[int]:
    return [r["decision_id"] for r in await pool.fetch("select decision_id from decision order by decision_id")]


async def test_every_decision_can_be_computed_again_to_the_byte(bench):  # noqa: F811
    await make_decisions(bench, requests=6, rounds=3)
    records = PostgresRecords(bench.pool)

    for decision_id in await all_decisions(bench.pool):
        replayed = await replay(decision_id, records)
        assert replayed.is_equal, replayed.differences
        assert replayed.capacities > 0


async def test_a_later_change_of_the_grid_does_not_change_the_past(bench, given):  # noqa: F811
    await make_decisions(bench, requests=2, rounds=1)
    network = given.network
    halved = [replace(g, contracted_import_w=20_000.0) for g in network.groups]
    await take_in(
        replace(given, network=Network.of(network.elements, halved, network.providers)), grid=bench.on.grid, now=AT
    )

    for decision_id in await all_decisions(bench.pool):
        assert (await replay(decision_id, PostgresRecords(bench.pool))).is_equal


async def test_a_changed_capacity_is_found(bench):  # noqa: F811
    await bench.pool.execute(
        "update allocation_block set capacity_w = overlay(capacity_w placing '\\x00' from 3 for 1)"
        " where kind = 'CONSUMPTION'"
    )
    records = PostgresRecords(bench.pool)
    [decision_id] = await all_decisions(bench.pool)

    replayed = await replay(decision_id, records)

    assert "CONSUMPTION of group north-c1, step 0: stored" in replayed.differences[0]
    assert [(b.decision_id, b.content_changed, b.link_broken) for b in await records.broken_links()] == [
        (decision_id, True, False)
    ]


async def test_the_chain_holds_and_tells_what_was_taken_out(bench):  # noqa: F811
    await make_decisions(bench, requests=3, rounds=1)
    records = PostgresRecords(bench.pool)
    assert await records.broken_links() == []
    head = await records.chain_head()
    assert head is not None
    assert head.seq == len(await all_decisions(bench.pool))

    await bench.pool.execute("delete from decision_chain where seq = 2")

    assert [(b.seq, b.link_broken) for b in await records.broken_links()] == [(3, True)]


async def test_what_was_never_decided_cannot_be_replayed(bench):  # noqa: F811
    with pytest.raises(NotFound, match="no decision 4711"):
        await replay(4711, PostgresRecords(bench.pool))


async def test_requests_and_cycles_take_turns_with_their_answers(bench):  # noqa: F811
    await bench.ask(NORTH, 0, quarters=2)
    await bench.ask(HARBOUR, 30_000, quarters=2)
    await bench.decide()
    await bench.cycle(AT + QUARTER)

    ids = await all_decisions(bench.pool)

    assert all([(await replay(i, PostgresRecords(bench.pool))).is_equal for i in ids])


@pytest.mark.slow
async def test_a_thousand_decisions_can_be_computed_again_to_the_byte(bench):  # noqa: F811
    await make_decisions(bench, requests=50, rounds=20, seed=3)
    records = PostgresRecords(bench.pool)
    ids = await all_decisions(bench.pool)
    assert len(ids) >= 1000

    unequal = [i for i in ids if not (await replay(i, records)).is_equal]

    assert unequal == []
    assert await records.broken_links() == []
