"""What a provider says it cannot keep is shown until an operator has acknowledged it."""

import re

from tests.console.happenings import about_a_forecast, complain


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


async def test_a_complaint_is_on_its_group_and_among_what_needs_a_hand(world, viewer):
    quiet = words((await viewer.get("/console/")).text)
    await about_a_forecast(world.pool, "a charger is <broken>")
    await complain(world.pool, None, "of what?", "about-nothing")

    overview = words((await viewer.get("/console/")).text)
    group = words((await viewer.get("/console/group?id=north-c1")).text)
    other = words((await viewer.get("/console/group?id=harbour-c1")).text)
    everything = words((await viewer.get("/console/complaints")).text)

    assert "complaint" not in quiet
    assert "2 complaints of providers" in overview
    assert "cannot keep its consumption of decision 1 : a charger is &lt;broken&gt;" in group
    assert "2026-02-02T01:00:00Z" in group
    assert "What north says it cannot keep" not in other
    assert "of no group that we know" in everything
    assert "Acknowledge" not in everything


async def test_an_operator_acknowledges_it_once_and_the_log_has_it(world, operator, viewer):
    await about_a_forecast(world.pool, "a charger is broken")
    given = {"no": "1", "note": "called them", "next": "/console/group?id=north-c1"}

    refused = await viewer.post("/console/complaints/acknowledge", **given)
    done = await operator.post("/console/complaints/acknowledge", **given)
    again = await operator.post("/console/complaints/acknowledge", **given)

    assert (refused.status_code, done.status_code, again.status_code) == (403, 303, 409)
    assert done.headers["location"] == "/console/group?id=north-c1"
    group = words((await operator.get("/console/group?id=north-c1")).text)
    assert re.search(r"acknowledged .* ada, .*: called them", group)
    assert "complaint of providers" not in words((await operator.get("/console/")).text)
    log = words((await operator.get("/console/audit?about=group/north-c1")).text)
    assert "acknowledged a complaint" in log
    assert "called them" in log


async def test_a_complaint_that_is_not_there_cannot_be_acknowledged(operator):
    missing = await operator.post("/console/complaints/acknowledge", no="77")
    broken = await operator.post("/console/complaints/acknowledge", no="x")

    assert (missing.status_code, broken.status_code) == (404, 403)
