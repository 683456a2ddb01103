"""A request with its inputs: replayed from the page, and what it does to others, for operators alone."""

import re
from datetime import timedelta

import pytest

from ampacity.operations.adjust import decide_waiting
from ampacity.operations.settings import NegotiationSettings
from tests.operations.test_adjust import HARBOUR, NORTH, Bench
from tests.operations.test_cycle import AT

NOW = AT + timedelta(minutes=3)


@pytest.fixture
async def asked(world) -> Bench:
    """A request that was decided, one that waits."""
    bench = Bench(world.pool)
    await bench.ask(NORTH, 40_000.0, at=NOW)
    await bench.decide(NOW)
    await bench.ask(HARBOUR, 15_000.0, at=NOW)
    return bench


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


async def test_a_decision_replayed_from_its_page_comes_out_equal_with_what_it_computed(asked, viewer):
    before = words((await viewer.get("/console/negotiation?no=1")).text)
    after = words((await viewer.get("/console/negotiation?no=1&replay=1")).text)

    assert "Replay the decision" in before
    assert "equal to the byte" not in before
    assert re.search(r"equal to the byte Computed again from what was known then: all \d+ capacities", after)
    assert "Computed again" in after
    assert "Given out before" in after
    held = re.search(r"01:00 ([\d.]+) A ([\d.]+) A ([\d.]+) A ([\d.]+) A", after)
    assert held.group(3) == held.group(4)
    assert float(held.group(1)) <= float(held.group(3))


async def test_a_decision_that_was_tampered_with_is_shown_as_different(asked, viewer):
    await asked.pool.execute(
        "update allocation_block set capacity_w = overlay(capacity_w placing '\\x00' from 3 for 1)"
        " where kind = 'CONSUMPTION' and decision_id = 2"
    )

    page = words((await viewer.get("/console/negotiation?no=1&replay=1")).text)
    decision = words((await viewer.get("/console/decision?no=2&replay=1")).text)

    for text in (page, decision):
        assert "differs" in text
        assert re.search(r"CONSUMPTION of group north-c1, step \d+: stored [\d.]+ W, computed [\d.]+ W", text)


async def test_a_decision_of_another_version_of_the_rule_says_why_it_is_not_replayed(asked, viewer):
    await asked.pool.execute("update decision_input set rule_version = 77 where decision_id = 2")

    page = words((await viewer.get("/console/negotiation?no=1&replay=1")).text)

    assert "not replayed decision 2 follows version 77 of the rule" in page


async def test_a_whole_cycle_is_replayed_from_its_decisions_page(asked, viewer):
    page = words((await viewer.get("/console/decision?no=1&replay=1")).text)

    assert "equal to the byte" in page


async def test_a_waiting_request_shows_what_it_would_do_before_it_is_decided(asked, viewer):
    page = words((await viewer.get("/console/negotiation?no=2")).text)

    assert "What it would do if it were decided now" in page
    assert "Replay the decision" not in page
    assert re.search(r"harbour-c1 harbour, asked", page)
    assert "Nobody else would hold less or more" in page


RULES = NegotiationSettings(consent_above_w=1_000.0, consent_wait_s=600.0)


@pytest.fixture
async def large(world) -> Bench:
    """A request that an operator is asked about."""
    bench = Bench(world.pool)
    await bench.ask(NORTH, 40_000.0, at=NOW)
    await decide_waiting(NOW, grid=bench.on.grid, requests=bench.on.requests, rules=RULES)
    return bench


async def test_a_large_request_waits_on_top_with_the_clock_running(large, viewer, operator):
    seen = words((await viewer.get("/console/negotiations")).text)
    overview = words((await viewer.get("/console/")).text)
    one = words((await operator.get("/console/negotiation?no=1")).text)

    assert "Waiting for a yes or no" in seen
    assert re.search(r"north-c1 north consumption 40.0 kW [\d.]+ kW", seen)
    assert "8 min left the rule decides at 01:13" in seen
    assert "an operator answers it" in seen
    assert "1 request waits for a yes or no" in overview
    assert "No: refuse it" in one
    assert "What it would do if it were decided now" in one


async def test_a_yes_lets_the_rule_decide_and_is_in_the_log(large, operator, viewer):
    refused = await viewer.post("/console/negotiations/answer", no="1", answer="yes")
    forged = await operator.http.post("/console/negotiations/answer", data={"no": "1", "answer": "yes"})
    done = await operator.post("/console/negotiations/answer", no="1", answer="yes", reason="the fair is on")
    again = await operator.post("/console/negotiations/answer", no="1", answer="no", reason="no")
    await decide_waiting(NOW, grid=large.on.grid, requests=large.on.requests, rules=RULES)

    assert (refused.status_code, forged.status_code, done.status_code, again.status_code) == (403, 403, 303, 409)
    assert [s for g, s, _ in await large.story() if g == NORTH][-1] in {"granted", "partly"}
    log = words((await operator.get("/console/audit?about=group/north-c1")).text)
    assert "approved a request" in log
    assert "the fair is on" in log
    assert "Waiting for a yes or no" not in words((await operator.get("/console/negotiations")).text)


async def test_a_no_needs_a_reason_which_is_then_the_answer(large, operator):
    empty = await operator.post("/console/negotiations/answer", no="1", answer="no", reason=" ")
    done = await operator.post("/console/negotiations/answer", no="1", answer="no", reason="works at the cable")
    await decide_waiting(NOW, grid=large.on.grid, requests=large.on.requests, rules=RULES)

    assert empty.status_code == 422
    assert "a no needs a reason" in words(empty.text)
    assert done.headers["location"] == "/console/negotiations?done=refused"
    page = words((await operator.get("/console/negotiation?no=1")).text)
    assert "works at the cable" in page
    assert "rejected" in page


async def test_those_who_had_to_give_way_are_named_with_how_much(asked, viewer):
    before_w = await asked.capacity_w(NOW)
    await asked.ask(NORTH, 0.0, at=NOW, name="back")
    await asked.decide(NOW)
    await asked.ask(HARBOUR, float(before_w[:2, 1:5].sum(axis=0).min()), at=NOW, name="more")
    await asked.decide(NOW)
    await asked.ask(NORTH, 6_000.0, at=NOW, name="again")
    await asked.decide(NOW)
    number = await asked.pool.fetchval("select request_no from capacity_request where request_id = 'again'")

    page = words((await viewer.get(f"/console/negotiation?no={number}")).text)

    assert "Who holds less or more because of it" in page
    given_way = re.search(r"harbour-c1 harbour ([\d.]+) 0.00 −([\d.]+)", page)
    assert float(given_way.group(1)) > 0
    assert "Providers are told only what concerns themselves" in page
