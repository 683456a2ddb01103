"""The database's guard of headroom: what is given on request is added up by element, quarter and phase."""

from datetime import timedelta

import asyncpg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.errors import Conflict
from ampacity.network import Direction
from ampacity.store.ledger import ledger_rows
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

    kept = await bench.pool.fetch("select hour, given_w from capacity_ledger")
    assert quarters[0] % 4 == 0
    assert [tuple(row) for row in kept] == [(quarters[0] // 4, [500.0, 400.0, 501.0] * 2 + [0.0] * 6)]


async def test_what_room_there_was_is_told_of_each_quarter_when_something_is_given_there_first(bench):
    first, elements = quarter_at(AT) + 3, np.array([1, 2])

    async def give(quarters: list[int], room_w: float, given_w: float) -> None:
        shape = (2, 3, len(quarters))
        async with bench.on.requests.gate() as gate, gate.decide(AT, {}) as writer:
            await writer.reserve(
                Direction.IMPORT, first + np.array(quarters), np.full(shape, room_w), np.full(shape, given_w), AT,
                elements,
            )  # fmt: skip

    await give([0, 1], 900.0, 100.0)  # the last quarter of an hour and the first one of the next
    await give([1, 2], 800.0, 50.0)
    with pytest.raises(Conflict, match="exceed headroom"):
        await give([2], 800.0, 752.0)
    await give([1], 800.0, 751.0)

    for element_no in elements.tolist():
        rows = await bench.pool.fetch(
            "select hour, room_w, given_w from capacity_ledger where element_no = $1 order by hour", element_no
        )
        assert [tuple(row) for row in rows] == [
            (first // 4, [None] * 9 + [900.0] * 3, [0.0] * 9 + [100.0] * 3),
            (first // 4 + 1, [900.0] * 3 + [800.0] * 3 + [None] * 6, [901.0] * 3 + [50.0] * 3 + [0.0] * 6),
        ]


@given(
    quarters=st.lists(st.integers(-9, 40), min_size=1, max_size=12, unique=True).map(sorted),
    elements=st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True).map(sorted),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_hold_all_that_is_given_where_it_is_given_and_nothing_else(quarters, elements, seed):
    rng = np.random.default_rng(seed)
    shape = (len(elements), 3, len(quarters))
    room_w, given_w = rng.uniform(0, 9e4, shape), rng.uniform(-5e4, 5e4, shape) * rng.integers(0, 2, shape)

    rows = ledger_rows(np.array(elements), np.array(quarters), room_w, given_w)

    assert len({*zip(rows.element.tolist(), rows.hour.tolist(), strict=True)}) == len(rows.element)
    found = {}
    for r, (element, hour) in enumerate(zip(rows.element.tolist(), rows.hour.tolist(), strict=True)):
        assert rows.given_w[r].any()
        for place in range(12):
            found[element, 4 * hour + place // 3, place % 3] = rows.room_w[r, place], rows.given_w[r, place]
    for e, element in enumerate(elements):
        for q, quarter in enumerate(quarters):
            if given_w[e, :, q].any():
                for phase in range(3):
                    assert found.pop((element, quarter, phase)) == (room_w[e, phase, q], given_w[e, phase, q])
    assert all(np.isnan(room) and given == 0 for room, given in found.values())


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
        assert (row["element_no"], row["hour"]) == (4, 1)  # the last quarter of hour 1
        assert row["room_w"] == [None] * 9 + [100.0, None, 300.0]
        assert row["given_w"] == [0.0] * 9 + [10.0, 0.0, 30.0]
        await connection.execute("update capacity_ledger set given_w[12] = 301")
        with pytest.raises(asyncpg.CheckViolationError, match="grants_stay_within_headroom"):
            await connection.execute("update capacity_ledger set given_w[12] = 302")


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
