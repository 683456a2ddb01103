"""Forecasts go out at least once, in order per group and kind, and no peer waits for another."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import pytest

from ampacity.app.peering import build_peering
from ampacity.simulation.listener import Answer, listening
from ampacity.store import answers_done
from ampacity.store.outbox import OutboxStore
from ampacity.store.sql import sql
from tests.peers.world import KINDS, NOW, add_grid, decide, put_through, settings, until, world


@dataclass
class Sink:
    """A provider's server that takes forecasts, and answers as told."""

    answers: list[Answer] = field(default_factory=list)  # used up one by one, then 204
    got: list[tuple[dict, dict]] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    async def respond(self, heard) -> Answer:
        if not heard.path.endswith("update_group_capacity_forecast"):
            self.other.append(heard.path)
            return Answer()
        self.got.append((json.loads(heard.body), dict(heard.headers)))
        return self.answers.pop(0) if self.answers else Answer()

    def first_values(self, kind: str = "CONSUMPTION") -> list[float]:
        return [body["forecasted_blocks"][0]["capacity"] for body, _ in self.got if body["type"] == kind]


@asynccontextmanager
async def sink(pool, provider_id: str, *answers: Answer, profile=None):
    made = Sink(list(answers))
    async with listening("127.0.0.1", 0, made.respond) as port:
        await put_through(pool, provider_id, f"http://127.0.0.1:{port}/oscp/fp/2.0", profile=profile or {})
        yield made


async def waiting(pool) -> int:
    return await pool.fetchval(
        "select count(*) from outbound_forecast where sent_at is null and superseded_at is null and dead_at is null"
    )


async def all_gone(pool):
    async def none():
        return await waiting(pool) == 0

    await until(none)


async def test_every_forecast_arrives_with_its_id(pool):
    await add_grid(pool, {"g1": "fp", "g2": "fp"}, unit="W")
    async with sink(pool, "fp") as fp, world(pool):
        await decide(pool, [[1000.0, 2000.0], [3000.0, 4000.0]])
        await all_gone(pool)

    ids = {str(row["request_id"]) for row in await pool.fetch("select request_id from outbound_forecast")}
    assert {headers["x-request-id"] for _, headers in fp.got} == ids
    assert Counter((b["group_id"], b["type"]) for b, _ in fp.got) == Counter(
        (g, k) for g in ("g1", "g2") for k in KINDS
    )
    assert {headers["authorization"] for _, headers in fp.got} == {"Token their token"}


async def test_a_newer_forecast_supersedes_an_unsent_older_one_but_not_an_answer(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    for watts in (1.0, 2.0):
        await decide(pool, [[watts]], kinds=["CONSUMPTION"])
    await decide(pool, [[3.0]], kinds=["CONSUMPTION"], correlation_id="ask")
    await decide(pool, [[4.0]], kinds=["CONSUMPTION"])
    async with sink(pool, "fp") as fp, world(pool):
        await all_gone(pool)

    assert fp.first_values() == [3.0, 4.0]
    assert [h.get("x-correlation-id") for _, h in fp.got] == ["ask", None]
    assert await pool.fetchval("select count(*) from outbound_forecast where superseded_at is not null") == 2


async def test_a_failed_forecast_is_tried_again_before_a_newer_answer_and_keeps_its_id(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp", Answer(status=500), Answer(status=429)) as fp, world(pool):
        await decide(pool, [[1.0]], kinds=["CONSUMPTION"], correlation_id="a")
        await decide(pool, [[2.0]], kinds=["CONSUMPTION"], correlation_id="b")
        await all_gone(pool)

    assert fp.first_values() == [1.0, 1.0, 1.0, 2.0]
    assert len({h["x-request-id"] for _, h in fp.got[:3]}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_is_final_and_shown(pool, status):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp", Answer(status=status, body=b'{"message":"never"}')) as fp, world(pool):
        await decide(pool, [[1.0]], kinds=["CONSUMPTION"])
        await all_gone(pool)
        await asyncio.sleep(1.2)

    dead = await pool.fetchrow("select * from outbound_forecast")
    assert len(fp.got) == 1
    assert dead["dead_at"] is not None
    assert dead["last_error"] == f'{status} {{"message":"never"}}'


async def test_a_forecast_that_keeps_failing_becomes_a_dead_letter(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp", *[Answer(status=503)] * 2) as fp, world(pool, most_attempts=2):
        await decide(pool, [[1.0]], kinds=["CONSUMPTION"])
        await all_gone(pool)

    assert len(fp.got) == 2
    assert await pool.fetchval("select dead_at is not null from outbound_forecast")


@pytest.mark.parametrize("manner", ["drop", "reset", "reset-body"])
async def test_a_forecast_whose_answer_breaks_off_is_sent_again_with_its_id(pool, manner):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    cut = Answer(status=200, body=b"{}" * 50, manner=manner)
    async with sink(pool, "fp", cut, cut) as fp, world(pool):
        await decide(pool, [[1.0]], kinds=["CONSUMPTION"])
        await all_gone(pool)

    assert len(fp.got) == 3
    assert len({headers["x-request-id"] for _, headers in fp.got}) == 1
    assert await pool.fetchval("select sent_at is not null and dead_at is null from outbound_forecast")


@pytest.mark.parametrize("manner", ["silent", "drip", "drip-body"])
async def test_a_slow_peer_delays_no_other(pool, manner):
    await add_grid(pool, {"g1": "slow", "g2": "quick"}, unit="W")
    stuck = [Answer(status=200, body=b"{}" * 50, manner=manner)] * 100
    async with sink(pool, "slow", *stuck), sink(pool, "quick") as quick, world(pool):
        await decide(pool, np.full((2, 96), 1.0))
        await until(lambda: len(quick.got) == 5, within_s=2.5)


async def test_nothing_is_sent_to_who_is_not_connected(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp") as fp, world(pool):
        await pool.execute("update peer set state = 'offline', offline_mode_at = now()")
        await decide(pool, [[1.0]])
        await asyncio.sleep(1.5)

    assert fp.got == []
    assert await waiting(pool) == 5


async def test_two_servers_share_an_outbox_and_send_everything_once_in_order(pool):
    groups = {f"g{n}": f"fp{n % 3}" for n in range(30)}
    await add_grid(pool, groups, unit="W")
    async with sink(pool, "fp0") as a, sink(pool, "fp1") as b, sink(pool, "fp2") as c, world(pool), world(pool):
        for watts in range(1, 6):
            await decide(pool, np.full((30, 4), float(watts)), correlation_id=f"keep {watts}")
        await all_gone(pool)

    got = a.got + b.got + c.got
    assert len(got) == 5 * 30 * 5
    assert max(Counter(h["x-request-id"] for _, h in got).values()) == 1
    for one in (a, b, c):
        seen: dict[tuple[str, str], list[float]] = {}
        for body, _ in one.got:
            key = (body["group_id"], body["type"])
            seen.setdefault(key, []).append(body["forecasted_blocks"][0]["capacity"])
        assert all(values == [1.0, 2.0, 3.0, 4.0, 5.0] for values in seen.values())


async def test_a_dead_servers_messages_are_sent_by_another(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp") as fp:
        await decide(pool, [[1.0]])
        dead = build_peering(pool, settings(), public_url="http://x", clock=lambda: NOW)
        _, taken = await dead.desk.outbox.claim(0, dead.sender.owner, behind=-1, limit=100, lease_s=1.0)
        async with world(pool):
            await all_gone(pool)

    assert len(taken) == 5
    assert len(fp.got) == 5


async def test_what_was_written_for_a_provider_goes_to_no_other_when_the_group_changes_hands(pool):
    await add_grid(pool, {"g1": "old", "g2": "new"}, unit="W")
    async with sink(pool, "old") as old, sink(pool, "new") as new:
        await decide(pool, [[1.0], [2.0]], kinds=["CONSUMPTION"])
        await pool.execute(
            "insert into contract (group_no, version, provider_no, element_no, phases, contracted_import_w,"
            " firm_import_w, contracted_export_w, firm_export_w, unit)"
            " select c.group_no, 2, n.provider_no, c.element_no, c.phases, c.contracted_import_w, c.firm_import_w,"
            " c.contracted_export_w, c.firm_export_w, c.unit from contract c join provider n on n.provider_id = 'new'"
            " where c.group_no = (select group_no from capacity_group where group_id = 'g1')"
        )
        async with world(pool):
            await all_gone(pool)

    assert [b["group_id"] for b, _ in old.got] == ["g1"]
    assert [b["group_id"] for b, _ in new.got] == ["g2"]


async def test_what_comes_for_a_provider_while_it_is_sent_to_is_sent_soon(pool):
    """One answer after the other of a group, each found as soon as the one before is gone."""
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp") as fp, world(pool):
        for n in range(8):
            await decide(pool, [[float(n)]], kinds=["CONSUMPTION"], correlation_id=f"ask {n}")
        await until(lambda: len(fp.got) == 8, within_s=5.0)

    assert fp.first_values() == [float(n) for n in range(8)]


async def test_an_answer_overtakes_what_waits_for_other_groups_and_nothing_of_its_own(pool):
    groups = [f"g{n}" for n in range(200)]
    await add_grid(pool, dict.fromkeys(groups, "fp"), unit="W")
    async with sink(pool, "fp", *[Answer(delay_s=0.15)] * 300) as fp, world(pool) as here:
        here.peering.sender.batch = 20
        await decide(pool, np.full((200, 1), 1.0), kinds=["CONSUMPTION"])
        await until(lambda: len(fp.got) > 20)  # the first page has gone, the next one is under way
        asked = await decide(pool, np.full((200, 1), 2.0), kinds=["CONSUMPTION"], send=False)
        await pool.execute(
            "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)"
            " select $1, 'CONSUMPTION', provider_no, group_no, 'ask' from current_contract"
            " where group_no = any ($2::int[])",
            asked, [0, 199],
        )  # fmt: skip
        await all_gone(pool)

    told = [(body["group_id"], headers.get("x-correlation-id")) for body, headers in fp.got]
    values = dict(zip(told, fp.first_values(), strict=True))
    assert len(told) == 201
    assert [answers for group, answers in told if group == "g0"] == [None, "ask"]
    assert [answers for group, answers in told if group == "g199"] == ["ask"]  # which says all there is to say
    assert values["g0", "ask"] == values["g199", "ask"] == 2.0
    assert max(told.index(("g0", "ask")), told.index(("g199", "ask"))) < 100


async def test_answers_are_in_the_hands_of_who_sends_answers_alone(pool):
    groups = [f"g{n}" for n in range(3)]
    await add_grid(pool, dict.fromkeys(groups, "fp"), unit="W")
    await put_through(pool, "fp", "http://127.0.0.1:1/oscp/fp/2.0")
    await decide(pool, np.full((3, 1), 1.0), kinds=["CONSUMPTION"], correlation_id="ask")
    await decide(pool, np.full((3, 1), 2.0), kinds=["CONSUMPTION", "GENERATION"])
    outbox, owner = OutboxStore(pool), UUID(int=1)
    [provider_no] = await outbox.waiting(10)

    few = await outbox.claim_few([provider_no], owner, each=100, lease_s=60)
    await pool.execute("update outbound_forecast set lease_until = null")
    _, page = await outbox.claim(provider_no, owner, behind=-1, limit=100, lease_s=60)
    answers = await outbox.claim_answers([provider_no], owner, each=100, lease_s=60)

    assert {m.kind.value for m in few[provider_no]} == {m.kind.value for m in page} == {"GENERATION"}
    assert [m.correlation_id for m in answers[provider_no]] == ["ask"] * 3


async def test_an_answer_that_is_there_late_or_failed_is_found_by_the_next_look_for_all(pool, monkeypatch):
    monkeypatch.setattr(answers_done, "_WHOLE_EVERY_S", 0.5)
    await add_grid(pool, {"g1": "fp", "g2": "fp"}, unit="W")
    await put_through(pool, "fp", "http://127.0.0.1:1/oscp/fp/2.0")
    outbox, owner, found = OutboxStore(pool), UUID(int=1), []

    async def look() -> None:
        for provider_no in await outbox.waiting_for_answers():
            claimed = (await outbox.claim_answers([provider_no], owner, each=100, lease_s=60)).get(provider_no, [])
            await outbox.sent(owner, [m.message_id for m in claimed])
            found.extend(m.correlation_id for m in claimed)

    decision_id = await decide(pool, np.full((2, 1), 1.0), kinds=["CONSUMPTION"], send=False)
    async with pool.acquire() as late:
        writing = late.transaction()
        await writing.start()
        await late.execute(
            "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)"
            " select $1, 'CONSUMPTION', provider_no, group_no, 'late' from current_contract",
            decision_id,
        )
        for n in range(3):
            await decide(pool, np.full((2, 1), 2.0), kinds=["GENERATION"], correlation_id=f"ask {n}")
            await asyncio.sleep(0.6)
            await look()
        await look()
        assert found == ["ask 0", "ask 0", "ask 1", "ask 1", "ask 2", "ask 2"]
        await writing.commit()
    await look()  # for what came since
    assert len(found) == 6
    await asyncio.sleep(0.6)
    await look()
    assert found[6:] == ["late", "late"]


async def test_answers_of_one_group_go_together_in_their_order(pool):
    await add_grid(pool, {"g1": "fp", "g2": "fp"}, unit="W")
    await put_through(pool, "fp", "http://127.0.0.1:1/oscp/fp/2.0")
    for n in range(5):
        await decide(pool, np.full((2, 1), float(n)), kinds=["CONSUMPTION"], correlation_id=f"ask {n}")
        if n == 2:
            await decide(pool, np.full((2, 1), 9.0), kinds=["CONSUMPTION"])  # which the answers after it replace
    outbox, owner = OutboxStore(pool), UUID(int=1)
    [provider_no] = await outbox.waiting_for_answers()

    async with pool.acquire() as other, other.transaction():
        held = await other.fetchval(
            "select message_id from outbound_forecast where group_no = 1 and correlation_id = 'ask 1' for update"
        )
        first = await outbox.claim_answers([provider_no], owner, each=100, lease_s=60)
    second = await outbox.claim_answers([provider_no], owner, each=100, lease_s=60)

    def asked(claimed, group_no):
        return [m.correlation_id for m in claimed.get(provider_no, []) if m.group.group_no == group_no]

    assert held
    assert asked(first, 0) == [f"ask {n}" for n in range(5)]
    assert asked(first, 1) == ["ask 0"]  # what another one holds keeps back what comes after it
    assert second == {}  # and what is under way too


async def test_answers_behind_one_that_failed_wait_for_it(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp", Answer(), Answer(status=500)) as fp, world(pool):
        for n in range(6):
            await decide(pool, [[float(n)]], kinds=["CONSUMPTION"], correlation_id=f"ask {n}")
        await all_gone(pool)

    values = fp.first_values()
    assert sorted(set(values)) == [float(n) for n in range(6)]
    assert values == sorted(values)
    assert len(values) == 7  # the one that failed came twice


async def test_hundreds_of_answers_to_one_group_are_sent_soon(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    decision_id = await decide(pool, [[1.0]], kinds=["CONSUMPTION"], send=False)
    await pool.execute(
        "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)"
        " select $1, 'CONSUMPTION', 0, 0, 'ask ' || n from generate_series(1, 600) as n",
        decision_id,
    )
    async with sink(pool, "fp") as fp, world(pool):
        await all_gone(pool)

    assert [h["x-correlation-id"] for _, h in fp.got] == [f"ask {n}" for n in range(1, 601)]


async def test_what_was_sent_is_marked_before_all_of_a_page_is(pool):
    await add_grid(pool, {f"g{n}": "fp" for n in range(40)}, unit="W")
    async with sink(pool, "fp", *[Answer(delay_s=0.1)] * 40) as fp, world(pool, sends_per_peer=1):
        await decide(pool, np.full((40, 1), 1.0), kinds=["CONSUMPTION"])

        async def some_are_marked():
            return await waiting(pool) < 40

        await until(some_are_marked)
        sent = len(fp.got)

    assert sent < 40


async def test_who_wants_changes_only_gets_changes_only(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    async with sink(pool, "fp", profile={"changes_only": True}) as fp, world(pool):
        for watts in (5.0, 5.0, 6.0):
            await decide(pool, np.full((1, 120), watts), kinds=["CONSUMPTION"])
            await all_gone(pool)

    assert fp.first_values() == [5.0, 6.0]


@pytest.mark.parametrize(
    ("refusal", "forecasts", "errors"), [("forecast", 1, 0), ("compliance_error", 0, 1), ("silence", 0, 0)]
)
async def test_a_refusal_is_told_as_the_peer_wants_it(pool, refusal, forecasts, errors):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    await pool.execute(
        "insert into capacity_request (provider_no, group_no, kind, request_id, content_hash, received_at,"
        " first_quarter, quarters, wanted_w) values (0, 0, 'CONSUMPTION', 'ask', 'x', now(), 1, 1, '\\x00000000')"
    )
    await pool.execute(
        "insert into request_event (request_no, step, at, reason) values (1, 'refused', now(), 'no room')"
    )
    async with sink(pool, "fp", profile={"refusal": refusal}) as fp, world(pool):
        await decide(pool, [[1.0]], kinds=["CONSUMPTION"], correlation_id="ask")
        await all_gone(pool)

    assert len(fp.got) == forecasts
    assert len(fp.other) == errors


async def test_what_waits_is_claimed_soon_where_nothing_waited_when_the_table_was_looked_at(pool):
    await add_grid(pool, {"g1": "fp"}, unit="W")
    await put_through(pool, "fp", "http://127.0.0.1:1/oscp/fp/2.0")
    decision_id = await decide(pool, [[1.0]], kinds=["CONSUMPTION"], send=False)
    await pool.execute(
        "insert into outbound_forecast (decision_id, kind, provider_no, group_no, sent_at)"
        " select $1, 'CONSUMPTION', provider_no, group_no, now()"
        " from current_contract, generate_series(1, 3000) as n",
        decision_id,
    )
    await pool.execute("analyze outbound_forecast")
    await pool.execute("update outbound_forecast set sent_at = null")
    explained = await pool.fetchval(
        "explain (analyze, buffers, format json)\n" + sql("claim_messages"), 0, -1, 0, UUID(int=1), 60.0,
    )  # fmt: skip
    plan = json.loads(explained)[0]["Plan"]

    assert plan["Actual Rows"] == 1  # the first one of the group
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20_000


@pytest.mark.parametrize("analysed", ["when nothing waited", "when all of it waited"])
async def test_claiming_takes_as_long_as_what_waits_whatever_the_planner_thinks_of_it(pool, analysed):
    providers, groups = 40, 1000
    await add_grid(pool, {f"g{n}": f"fp{n % providers}" for n in range(groups)}, unit="W")
    decision_id = await decide(pool, np.ones((groups, 1)), kinds=["CONSUMPTION"], send=False)
    await pool.execute(
        "insert into peer (provider_no, state, state_since) select provider_no, 'offline', now() from provider"
    )
    await pool.execute(
        "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id, sent_at)"
        " select $1, 'CONSUMPTION', provider_no, group_no, case when n > 1 then group_no || ' ' || n end, now()"
        " from current_contract, generate_series(1, 3) as n",
        decision_id,
    )
    if analysed == "when nothing waited":
        await pool.execute("analyze outbound_forecast")
        await pool.execute("analyze peer")
    await pool.execute("update outbound_forecast set sent_at = null")
    await pool.execute("update peer set state = 'connected'")
    if analysed == "when all of it waited":
        await pool.execute("analyze outbound_forecast")
    numbers, owner = list(range(providers)), UUID(int=1)
    steps = {
        "waiting_answers": (0,),
        "supersede_before_answers": (numbers, 0),
        "claim_answers": (numbers, owner, 10, 60.0, 0),
        "supersede_older_messages_of": (numbers,),
        "claim_few_messages": (numbers, owner, 10, 60.0),
        "supersede_older_messages": (0, -1, groups),
        "claim_messages": (0, -1, groups, owner, 60.0),
    }
    most = {}
    for name, arguments in steps.items():
        async with pool.acquire() as connection:
            each_alone = connection.transaction()
            await each_alone.start()
            explained = await connection.fetchval(f"explain (analyze, format json)\n{sql(name)}", *arguments)
            await each_alone.rollback()
        most[name] = max(rows_handled(json.loads(explained)[0]["Plan"]))

    assert {name: rows for name, rows in most.items() if rows > 10 * 3 * groups} == {}


def rows_handled(plan: dict) -> Iterator[int]:
    """How many rows each node of a plan looked at."""
    removed = sum(rows for name, rows in plan.items() if name.startswith("Rows Removed by"))
    yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from rows_handled(inner)
