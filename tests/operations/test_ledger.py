"""The database's guard of headroom: what is given on request is added up by element and quarter."""

from datetime import timedelta

import asyncpg
import numpy as np
import pytest

from ampacity.errors import Conflict
from ampacity.network import Direction
from ampacity.store.migrations import migrate
from ampacity.store.requests import PostgresRequests
from ampacity.timegrid import quarter_at
from tests.operations.test_adjust import AT, HARBOUR, NORTH, bench
from tests.operations.test_partitions import database_before

__all__ = ["bench"]  # the fixture


async def test_each_phase_of_an_element_is_guarded_by_itself(bench):
    quarters, elements = quarter_at(AT) + np.arange(2), np.array([1])

    async def give(phase: int, given_w: float) -> None:
        by_phase_w = np.zeros((1, 3, 2))
        by_phase_w[:, phase] = given_w
        async with bench.on.requests.gate() as gate, gate.decide(AT, {}) as writer:
            await writer.reserve(Direction.IMPORT, quarters, np.full((1, 3, 2), 500.0), by_phase_w, AT, elements)

    await give(0, 400.0)
    await give(1, 400.0)
    with pytest.raises(Conflict, match="exceed headroom"):
        await give(0, 102.0)
    await give(0, -300.0)
    await give(0, 400.0)
    with pytest.raises(Conflict, match="exceed headroom"):
        await give(1, 102.0)
    await give(2, 501.0)

    kept = await bench.pool.fetch("select quarter, given_w from capacity_ledger order by quarter")
    assert [tuple(row) for row in kept] == [(q, [500.0, 400.0, 501.0]) for q in quarters.tolist()]


async def test_what_was_given_before_the_migration_still_counts(server_dsn):
    async with database_before(server_dsn, "0800") as connection:
        await connection.execute(
            "insert into decision (kind, made_at, settings, summary) values ('cycle', now(), '{}', '{}')"
        )
        await connection.execute(
            "insert into capacity_ledger select d.decision_id, 'import', 4, p, 7, 100 * p, 10 * p"
            " from decision d, unnest(array[1, 3]) as p"
        )

        await migrate(connection)

        row = await connection.fetchrow("select * from capacity_ledger")
        assert (row["element_no"], row["quarter"]) == (4, 7)
        assert (row["room_w"], row["given_w"]) == ([100.0, None, 300.0], [10.0, 0.0, 30.0])
        await connection.execute("update capacity_ledger set given_w[3] = 301")
        with pytest.raises(asyncpg.CheckViolationError, match="grants_stay_within_headroom"):
            await connection.execute("update capacity_ledger set given_w[3] = 302")


async def test_a_server_that_read_the_headroom_before_sees_that_of_the_next_cycle(bench):
    """It is read once after each cycle, however many requests there are."""
    requests = PostgresRequests(bench.pool)
    elements, later = np.array([0, 2]), AT + timedelta(minutes=15)

    async def read(at, of=requests):
        async with of.gate() as gate:
            return await gate.headroom(Direction.IMPORT, at, elements)

    window, first_w = await read(AT)
    await bench.ask(NORTH, 100)
    await bench.decide()
    assert (await read(AT))[1] is first_w
    await bench.cycle(later)
    next_window, next_w = await read(later)
    assert next_window.first == window.first + 1
    fresh_window, fresh_w = await read(later, PostgresRequests(bench.pool))
    assert fresh_window == next_window
    assert (fresh_w == next_w).all()
    again_window, again_w = await read(AT)  # by a clock that is behind
    assert again_window == window
    assert (again_w == first_w).all()
    await bench.ask(HARBOUR, 100, at=later)
    await bench.decide(later)
    assert len(await bench.story()) == 2
