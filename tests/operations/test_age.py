"""Nothing slows with the age of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from ampacity.forecasting import ForecastSettings
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.peers import PeerStore
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.timegrid import QUARTER
from tests.operations.conftest import DAYS, START
from tests.operations.test_adjust import NORTH, Bench

AT = START + timedelta(days=DAYS)
YOUNG, OLD = 10, 1000  # decisions
NAME = "counted"

COPIES = """
insert into decision (kind, made_at, settings, summary)
    select d.kind, d.made_at + k * interval '15 minutes', d.settings, d.summary
    from decision d, generate_series(1, {n}) as k where d.decision_id = 1 order by k;
insert into cycle (slot, claimed_by, lease_until, decision_id, stages)
    select d.made_at, c.claimed_by, c.lease_until, d.decision_id, c.stages
    from decision d, cycle c where d.decision_id > 1 and c.decision_id = 1;
insert into decision_input (
    decision_id, rule, rule_version, element_changes, contract_changes, decisions_up_to, need_wh, need_cap_w
)
    select d.decision_id, i.rule, i.rule_version, i.element_changes, i.contract_changes, d.decision_id - 1, i.need_wh,
        i.need_cap_w
    from decision d, decision_input i where d.decision_id > 1 and i.decision_id = 1;
insert into forecast_block
    select d.decision_id, b.first_no, b.subjects, b.first_quarter + (d.decision_id - 1)::int, b.quarters, b.levels,
        b.source, b.load_w
    from decision d, forecast_block b where d.decision_id > 1 and b.decision_id = 1;
insert into headroom_block
    select d.decision_id, b.direction, b.first_no, b.subjects, b.first_quarter + (d.decision_id - 1)::int, b.steps,
        b.step_quarters, b.headroom_w
    from decision d, headroom_block b where d.decision_id > 1 and b.decision_id = 1;
insert into allocation_block
    select d.decision_id, b.kind, b.first_no, b.subjects, b.first_quarter + (d.decision_id - 1)::int, b.steps,
        b.step_quarters, b.capacity_w, b.bound_by
    from decision d, allocation_block b where d.decision_id > 1 and b.decision_id = 1;
insert into outbound_forecast (decision_id, kind, provider_no, group_no, created_at, due_at, sent_at, until_quarter)
    select b.decision_id, b.kind, c.provider_no, c.group_no, now(), now(), now(),
        b.first_quarter + b.steps * b.step_quarters
    from allocation_block b, current_contract c where b.decision_id > 1 order by b.decision_id, b.kind, c.group_no;
"""


@asynccontextmanager
async def sessions(own: Pool, dsn: str) -> AsyncIterator[Pool]:
    """Sessions that are gone afterwards: what one did is counted at its end, if it was not before."""
    pool = await connect(f"{dsn}{'&' if '?' in dsn else '?'}application_name={NAME}", max_size=4)
    yield pool
    await pool.close()
    there = "select exists (select from pg_stat_activity where application_name = $1)"
    while await own.fetchval(there, NAME):  # noqa: ASYNC110  # what is in a database has no event
        await asyncio.sleep(0.05)


async def cycle(own: Pool, dsn: str, at: datetime) -> None:
    async with sessions(own, dsn) as pool:
        ports = CyclePorts(
            grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
            peers=PeerStore(pool), usage=UsageStore(pool),
        )  # fmt: skip
        await run_cycle(at, ports=ports, forecast=ForecastSettings(), cycle=CycleSettings())
        await pool.execute(
            "update outbound_forecast set sent_at = now()"
            " where sent_at is null and superseded_at is null and dead_at is null"
        )


async def nobody_tidies_up(pool: Pool) -> None:
    """No autovacuum while pages are counted: those that it looks at count as well."""
    for row in await pool.fetch(
        "select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    ):
        await pool.execute(f"alter table {row['name']} set (autovacuum_enabled = false)")


async def touched(pool: Pool) -> tuple[int, int]:
    """Pages of 8 KiB that were looked at so far, and rows that were read by a scan of a whole table."""
    await pool.execute("select pg_stat_clear_snapshot()")
    pages = await pool.fetchval("select blks_hit + blks_read from pg_stat_database where datname = current_database()")
    rows = await pool.fetchval("select sum(seq_tup_read)::bigint from pg_stat_user_tables")
    return pages, rows


async def work_of_a_cycle(pool: Pool, dsn: str, decisions: int) -> tuple[int, int]:
    """Pages and scanned rows of a usual cycle on a database that holds so many decisions."""
    await pool.execute("truncate cycle, decision, forecast_model restart identity cascade")
    await cycle(pool, dsn, AT - (decisions + 1) * QUARTER)
    async with sessions(pool, dsn) as own:
        async with own.acquire() as connection, connection.transaction():
            await connection.execute(COPIES.format(n=decisions))
        await own.execute("vacuum analyze")
    await cycle(pool, dsn, AT)
    before = await touched(pool)
    await cycle(pool, dsn, AT + QUARTER)
    after = await touched(pool)
    return after[0] - before[0], after[1] - before[1]


ASKED_BEFORE = """
insert into decision (kind, made_at, settings, summary)
    select d.kind, d.made_at, d.settings, d.summary
    from decision d, generate_series(1, {n}) as k where d.kind = 'request' order by k;
insert into capacity_request (
    provider_no, group_no, kind, request_id, content_hash, received_at, first_quarter, quarters, wanted_w
)
    select r.provider_no, r.group_no, r.kind, k::text, r.content_hash, r.received_at, r.first_quarter, r.quarters,
        r.wanted_w
    from capacity_request r, generate_series(1, {n}) as k order by k;
insert into request_outcome
    select r.request_no, o.is_return, o.decision_id + r.request_no - o.request_no, o.group_no, o.kind, o.first_quarter,
        o.quarters, o.held_w
    from request_outcome o, capacity_request r where r.request_no > o.request_no;
insert into request_event (request_no, step, at, decision_id, reason, detail)
    select r.request_no, e.step, e.at, e.decision_id + r.request_no - e.request_no, e.reason, e.detail
    from request_event e, capacity_request r where r.request_no > e.request_no;
"""


async def work_of_a_request(pool: Pool, dsn: str, requests: int) -> tuple[int, int]:
    """Pages and scanned rows of a decision on a request where so many were decided before the last cycle."""
    await pool.execute("truncate cycle, decision, forecast_model, capacity_request restart identity cascade")
    bench = Bench(pool)
    await bench.cycle(AT)
    await bench.ask(NORTH, 1_000)
    await bench.decide()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ASKED_BEFORE.format(n=requests))
    later = AT + QUARTER
    await cycle(pool, dsn, later)
    await bench.ask(NORTH, 2_000, at=later)
    await pool.execute("vacuum analyze")
    before = await touched(pool)
    async with sessions(pool, dsn) as own:
        assert await Bench(own).decide(later) == 1
    after = await touched(pool)
    return after[0] - before[0], after[1] - before[1]


async def test_a_decision_on_a_request_after_a_hundred_times_the_requests_does_no_more(pool, dsn, given):
    await take_in(given, grid=PostgresGrid(pool), now=AT)
    await nobody_tidies_up(pool)

    young = await work_of_a_request(pool, dsn, YOUNG)
    old = await work_of_a_request(pool, dsn, OLD)

    assert old[0] <= 1.2 * young[0]
    assert old[1] <= 1.2 * young[1] + OLD / 10


@pytest.mark.slow
async def test_a_cycle_on_a_database_with_a_hundred_times_the_decisions_does_no_more(pool, dsn, given):
    await take_in(given, grid=PostgresGrid(pool), now=AT)
    await pool.execute(
        "insert into peer (provider_no, state, state_since, connected_at) select provider_no, 'connected', now(), now()"
        " from provider"
    )

    await nobody_tidies_up(pool)
    young = await work_of_a_cycle(pool, dsn, YOUNG)
    old = await work_of_a_cycle(pool, dsn, OLD)

    assert old[0] <= 1.2 * young[0]
    assert old[1] <= 1.2 * young[1]
