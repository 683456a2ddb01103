"""The figures of decisions lie in partitions of a week: begun by themselves, reached one by one, dropped as a whole."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import asyncpg
import numpy as np
import pytest

from ampacity.app.scratch_database import beside
from ampacity.store.keeping import prune, sizes
from ampacity.store.migrations import migrate, migrations
from ampacity.store.partitions import begin_period, old_partitions
from ampacity.store.pool import connect
from ampacity.store.records import PostgresRecords
from ampacity.store.sql import sql
from ampacity.timegrid import QUARTER
from tests.peers.world import KINDS, NOW, add_grid, decide, put_through

DAY, WEEK = timedelta(days=1), timedelta(days=7)
PART = 1_000_000  # numbers of decisions in a partition


async def decide_weeks(pool, weeks: int, *, send: bool = False, fallbacks_until: int = 100) -> list[int]:
    """A decision in each of some weeks, the last one now; gives their numbers."""
    found = []
    for k in range(weeks):
        at = NOW - (weeks - 1 - k) * WEEK
        await begin_period(pool, at)
        kinds = KINDS if k < fallbacks_until else ("CONSUMPTION", "GENERATION", "OPTIMUM")
        found.append(await decide(pool, [[1000.0 + k] * 4], at=at, send=send, kinds=kinds))
    return found


async def test_no_partition_is_looked_through_for_being_new(pool):
    await decide_weeks(pool, 3)

    options = await pool.fetch(
        """
        select p.relname, p.reloptions, t.reloptions as toast_options
        from pg_class p join pg_class t on t.oid = p.reltoastrelid
        where p.relkind = 'r' and p.relname ~ '^(forecast|headroom|allocation)_block_'
        """
    )

    assert len(options) >= 3 * 3  # of each week, and what is made ahead
    for row in options:
        assert row["reloptions"] == row["toast_options"] == ["autovacuum_vacuum_insert_threshold=-1"], row["relname"]


async def test_each_week_begins_a_partition_that_is_there_already(pool):
    await add_grid(pool, {"g1": "fp"})
    first = await decide_weeks(pool, 4)
    await begin_period(pool, NOW + 6 * DAY)
    again = await decide(pool, [[1.0]], at=NOW + 6 * DAY)
    table = next(t for t in (await sizes(pool)).tables if t.name == "allocation_block")

    assert [no // PART for no in first] == [0, 1, 2, 3]
    assert again == first[-1] + 1  # the same week
    assert table.partitions == 6  # two of them for weeks to come


async def test_where_much_is_written_each_day_begins_a_partition(pool):
    await add_grid(pool, {"g1": "fp"})
    numbers = []
    for at in (NOW, NOW + QUARTER, NOW + DAY, NOW + 2 * DAY):
        await begin_period(pool, at, large_bytes=1000)
        numbers.append(await decide(pool, [[1.0]], at=at))

    assert [no // PART for no in numbers] == [0, 0, 1, 2]


async def test_a_week_with_more_decisions_than_a_partition_has_numbers_takes_another(pool):
    await add_grid(pool, {"g1": "fp"})
    await decide_weeks(pool, 1)
    await pool.execute("select setval(pg_get_serial_sequence('decision', 'decision_id'), $1)", 2 * PART - 2)
    await begin_period(pool, NOW)

    numbers = [await decide(pool, [[1.0]]) for _ in range(3)]

    assert [no // PART for no in numbers] == [1, 2, 2]


async def test_servers_that_begin_a_week_together_begin_one_partition(pool):
    await add_grid(pool, {"g1": "fp"})
    await decide_weeks(pool, 1)

    await asyncio.gather(*(begin_period(pool, NOW + WEEK) for _ in range(4)))

    assert await decide(pool, [[1.0]], at=NOW + WEEK) == PART


async def test_a_week_goes_when_all_of_it_is_old_and_nothing_of_it_is_needed(pool):
    await add_grid(pool, {"g1": "fp"})
    numbers = await decide_weeks(pool, 4, fallbacks_until=2)  # a message of the third waits
    await pool.execute(
        "insert into outbound_forecast (decision_id, kind, provider_no, group_no) values ($1, 'CONSUMPTION', 0, 0)",
        numbers[2],
    )

    early = await old_partitions(pool, NOW - 3 * WEEK)
    found = await old_partitions(pool, NOW + DAY)
    done = await prune(pool, decisions=NOW + DAY, messages=NOW - 99 * DAY, series=NOW - 99 * DAY)
    held = [r["no"] for r in await pool.fetch("select distinct decision_id as no from allocation_block order by no")]

    assert early == []
    assert [old.part for old in found] == ["000000"]
    assert done.decisions == 1
    assert held == numbers[1:]
    assert await pool.fetchval("select count(*) from decision") == 4
    assert await PostgresRecords(pool).broken_links() == []


async def test_a_partition_that_is_being_read_is_dropped_when_it_is_not(pool):
    await add_grid(pool, {"g1": "fp"})
    numbers = await decide_weeks(pool, 2)

    async with pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select * from allocation_block where decision_id = $1", numbers[0])
        dropping = asyncio.create_task(prune(pool, decisions=NOW, messages=NOW - 99 * DAY, series=NOW - 99 * DAY))
        await asyncio.sleep(2.5)
        during = await decide(pool, [[1.0]])  # it holds up nobody for long
        held = await pool.fetchval("select count(*) from allocation_block where decision_id = $1", numbers[0])
        await reading.rollback()
    done = await dropping

    assert during == numbers[1] + 1
    assert held > 0
    assert done.decisions == 1


async def test_what_a_cycle_and_the_console_look_up_is_in_few_partitions(pool):
    weeks = 40
    await add_grid(pool, {"g1": "fp"})
    await put_through(pool, "fp", "http://127.0.0.1:1/oscp/fp/2.0")
    numbers = await decide_weeks(pool, weeks, send=True)
    await pool.execute(
        "insert into headroom_block (decision_id, direction, first_no, subjects, first_quarter, steps, step_quarters,"
        " headroom_w) select d.decision_id, w, 0, 1, 0, 4, 1, $1 from decision d,"
        " unnest(array['import', 'fallback_import']) as w",
        np.zeros(12, "<f4").tobytes(),
    )
    await pool.execute(
        "insert into forecast_block (decision_id, first_no, subjects, first_quarter, quarters, levels, source, load_w)"
        " select decision_id, 0, 1, 0, 4, '{0.5}', '', $1 from decision",
        np.zeros(12, "<f4").tobytes(),
    )
    await pool.execute(
        "insert into cycle (slot, claimed_by, lease_until, decision_id)"
        " select made_at, gen_random_uuid(), made_at, decision_id from decision"
    )
    await pool.execute("update outbound_forecast set sent_at = now() where decision_id < $1", numbers[-2])
    await pool.execute("analyze")
    waiting = [
        r["message_id"] for r in await pool.fetch("select message_id from outbound_forecast where sent_at is null")
    ]
    looked = {
        "newest_allocation_blocks": (NOW, None, None, None, None),
        "capacities_since": (NOW, "CONSUMPTION", [0], [1], None, None),
        "newest_headroom_blocks": (NOW, "import", None, None),
        "newest_headroom_decision": (NOW,),
        "newest_fallback_headroom": (NOW, "fallback_import"),
        "fallback_made_at": (NOW,),
        "claimed_messages": (waiting,),
        "last_sent_figures": (0, "CONSUMPTION"),
        "enqueue_newest_forecasts": (0,),
        "kept_forecasts": (0, NOW - DAY, NOW),
        "kept_capacities": ([0], "CONSUMPTION", NOW - DAY, NOW),
        "element_headroom": ("import", 0, NOW - DAY, NOW),
        "console_newest": (NOW,),
        "forecast_sources": (numbers[-1],),
        "forecasts_of_slot": (NOW,),
        "bytes_of_last_day": (),
        "old_decision_partitions": (NOW - 9 * DAY,),
    }
    found = {}
    for name, arguments in looked.items():
        plan = json.loads(await pool.fetchval("explain (analyze, format json)\n" + sql(name), *arguments))[0]["Plan"]

        found[name] = len(set(partitions_read(plan)))

    assert {name: n for name, n in found.items() if n > 2} == {}


def partitions_read(plan: dict) -> Iterator[str]:
    """Partitions of figures, by their numbers, of which a plan read anything."""
    name = plan.get("Relation Name", "")
    if plan["Actual Loops"] and re.search(r"_block_\d+$", name):
        yield name.rpartition("_")[2]
    for inner in plan.get("Plans", ()):
        yield from partitions_read(inner)


@asynccontextmanager
async def database_before(server_dsn: str, step: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with the schema of before a migration."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(server_dsn)
    await server.execute(f"create database {name}")
    connection = await asyncpg.connect(beside(server_dsn, name))
    try:
        await connection.execute(
            "create table migration (name text primary key, checksum text not null, taken_at timestamptz default now())"
        )
        for m in migrations():
            if m.name < step:
                await connection.execute(m.text)
                await connection.execute("insert into migration values ($1, $2)", m.name, m.checksum)
        yield connection
    finally:
        await connection.close()
        await server.execute(f"drop database {name} with (force)")
        await server.close()


async def figures(connection) -> list[asyncpg.Record]:
    return await connection.fetch("select * from allocation_block order by decision_id, kind, first_no")


@pytest.mark.parametrize("newest", [3, 5 * PART + 7])
async def test_what_was_decided_before_the_migration_stays_as_it_was(server_dsn, newest):
    async with database_before(server_dsn, "0712") as connection:
        name = await connection.fetchval("select current_database()")
        pool = await connect(beside(server_dsn, name), max_size=3)
        await add_grid(pool, {"g1": "fp"})
        await decide(pool, [[1.0, 2.0]], at=NOW - WEEK, send=False)
        await pool.execute("select setval(pg_get_serial_sequence('decision', 'decision_id'), $1)", newest - 1)
        await decide(pool, [[3.0, 4.0]], at=NOW - QUARTER, send=False)
        before, links = (
            await figures(connection),
            "select seq, decision_id, content_hash, hash from decision_chain order by seq",
        )
        chain = await connection.fetch(links)

        assert (await migrate(connection))[0] == "0712_decisions_in_partitions"

        assert await figures(connection) == before
        assert await connection.fetch(links) == chain
        assert await PostgresRecords(pool).broken_links() == []
        await begin_period(pool, NOW)
        after = await decide(pool, [[5.0, 6.0]])
        assert after == (newest // PART + 1) * PART
        with pytest.raises(asyncpg.UniqueViolationError):
            await pool.execute("insert into allocation_block select * from allocation_block where decision_id = 1")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await pool.execute(
                "insert into allocation_block select 2, kind, first_no, subjects, first_quarter, steps, step_quarters,"
                " capacity_w, bound_by from allocation_block where decision_id = 1"
            )
        assert (await prune(pool, decisions=NOW, messages=NOW - DAY, series=NOW)).decisions == 2
        await pool.close()
