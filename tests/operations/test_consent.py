"""Large requests wait for an operator's yes or no; after a time the rule decides."""

import asyncio
import json
import os
import sys
from datetime import timedelta

import pytest

from ampacity.app.commands.requests_command import desk_of
from ampacity.app.session import Store
from ampacity.errors import Conflict, NotFound, Refused
from ampacity.network import ForecastKind
from ampacity.operations.adjust import decide_waiting
from ampacity.operations.consent import answer_request, waiting_for_consent
from ampacity.operations.replay import replay
from ampacity.operations.settings import NegotiationSettings
from ampacity.people import Role, SignedIn
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

MINUTE = timedelta(minutes=1)
VIEWER = SignedIn(account_no=1, name="vera", full_name="", role=Role.VIEWER)


def desk(bench: Bench, at=AT):  # noqa: F811
    return desk_of(Store(bench.pool), lambda: at)


async def decide(bench: Bench, at=AT, **rules) -> int:  # noqa: F811
    rules = {"consent_above_w": 2_000.0, "consent_wait_s": 600.0} | rules
    return await decide_waiting(at, grid=bench.on.grid, requests=bench.on.requests, rules=NegotiationSettings(**rules))


async def steps(bench: Bench) -> list[tuple[int, str]]:  # noqa: F811
    return [(group, step) for group, step, _ in await bench.story()]


async def all_are_equal_when_replayed(bench: Bench) -> bool:  # noqa: F811
    rows = await bench.pool.fetch("select decision_id from decision")
    return all([(await replay(r["decision_id"], PostgresRecords(bench.pool))).is_equal for r in rows])


async def test_a_large_request_waits_for_an_operator_and_a_small_one_does_not(bench):  # noqa: F811
    held_w = (await bench.capacity_w())[:, :4].max(axis=1)
    await bench.ask(NORTH, held_w[NORTH] + 5_000)
    await bench.ask(HARBOUR, held_w[HARBOUR] + 1_000)

    assert await decide(bench) == 1

    assert (await steps(bench))[0] == (NORTH, "deferred")
    [asked] = await waiting_for_consent(desk(bench))
    assert (asked.group_id, asked.provider_id, asked.kind) == ("north-c1", "north", ForecastKind.CONSUMPTION)
    assert asked.rise_w >= 5_000
    assert asked.until == AT + 10 * MINUTE


async def test_a_share_of_the_contract_is_a_threshold_too(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000)

    assert await decide(bench, consent_above_w=0.0, consent_above_fraction=0.1) == 0

    assert len(await waiting_for_consent(desk(bench))) == 1


async def test_without_a_threshold_nobody_is_asked(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000)

    assert await decide(bench, consent_above_w=0.0) == 1


async def test_a_yes_lets_the_rule_decide_and_is_audited(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, name="more")
    await decide(bench)

    await answer_request(desk(bench), "olga", 1, is_given=True, reason="the crane")
    assert await decide(bench, AT + MINUTE) == 1

    assert await steps(bench) == [(NORTH, "deferred"), (NORTH, "approved"), (NORTH, "partly")]
    assert await bench.pool.fetchval("select count(*) from outbound_forecast where correlation_id = 'more'") == 1
    act = await bench.pool.fetchrow("select who, what, about, detail from act")
    assert (act["who"], act["what"], act["about"]) == ("olga", "approved a request", "group/north-c1")
    assert act["detail"] == {"request": 1, "reason": "the crane"}
    assert await all_are_equal_when_replayed(bench)


async def test_a_no_refuses_with_the_reason_and_the_forecast_that_holds(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, name="more")
    await decide(bench)
    before_w = await bench.capacity_w()

    await answer_request(desk(bench), "olga", 1, is_given=False, reason="works in the street")
    assert await decide(bench, AT + MINUTE) == 1

    assert (await bench.story())[-1] == (NORTH, "refused", "refused by an operator: works in the street")
    assert ((await bench.capacity_w(AT + MINUTE)) == before_w).all()
    assert await bench.pool.fetchval("select count(*) from outbound_forecast where correlation_id = 'more'") == 1
    assert await all_are_equal_when_replayed(bench)


async def test_without_an_answer_the_rule_decides_in_time(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000)
    await decide(bench)

    assert await decide(bench, AT + 9 * MINUTE) == 0
    assert await decide(bench, AT + 10 * MINUTE) == 1

    assert (await steps(bench))[-1] == (NORTH, "partly")
    with pytest.raises(Conflict, match="was partly already"):
        await answer_request(desk(bench, AT + 11 * MINUTE), "olga", 1, is_given=False, reason="late")


async def test_who_asks_anew_for_the_same_quarters_takes_the_place_of_what_waits(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, name="much")
    await decide(bench)
    await bench.ask(NORTH, 3_000, at=AT, name="back")

    assert await decide(bench, AT + MINUTE) == 2

    assert (await bench.story())[1] == (NORTH, "refused", "request back took its place")
    assert (await steps(bench))[-1] == (NORTH, "returned")
    assert ((await bench.capacity_w(AT + MINUTE))[NORTH, :4] == 3_000).all()


async def test_what_is_asked_for_other_quarters_does_not_wait_with_it(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, name="much")
    await decide(bench)
    await bench.ask(NORTH, 0, at=AT + timedelta(hours=3), name="back")

    assert await decide(bench, AT + MINUTE) == 1

    assert await steps(bench) == [(NORTH, "deferred"), (NORTH, "returned")]
    assert len(await waiting_for_consent(desk(bench, AT + MINUTE))) == 1


async def test_an_answer_counts_once_and_only_where_somebody_was_asked(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000)
    with pytest.raises(Conflict, match="does not wait for an operator"):
        await answer_request(desk(bench), "olga", 1, is_given=True, reason="")
    await decide(bench)
    await answer_request(desk(bench), "olga", 1, is_given=True, reason="")

    with pytest.raises(Conflict, match="was approved already"):
        await answer_request(desk(bench), "otto", 1, is_given=False, reason="no")
    with pytest.raises(NotFound, match="no request 77"):
        await answer_request(desk(bench), "olga", 77, is_given=True, reason="")


async def test_a_no_needs_a_reason_and_an_operator(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000)
    await decide(bench)

    with pytest.raises(Refused, match="needs a reason"):
        await answer_request(desk(bench), "olga", 1, is_given=False, reason=" ")
    with pytest.raises(Refused):
        await answer_request(desk(bench), VIEWER, 1, is_given=True, reason="")

    assert len(await waiting_for_consent(desk(bench))) == 1


async def run(dsn: str, *words: str) -> str:
    """What `ampacity requests …` prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampacity", "requests", *words, "--at", (AT + MINUTE).isoformat(),
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"DATABASE_URL": dsn},
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_the_command_line_lists_and_answers(bench, dsn):  # noqa: F811
    await bench.ask(NORTH, 40_000)
    await decide(bench)

    listed = await run(dsn, "list", "--json")
    refused = await run(dsn, "refuse", "1", "--reason", "works")

    [row] = json.loads(listed)
    assert (row["request"], row["group"], row["wanted_kw"]) == (1, "north-c1", 40.0)
    assert "request 1 is refused" in refused
    assert await waiting_for_consent(desk(bench, AT + MINUTE)) == []
