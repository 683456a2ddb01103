"""A message may come in parts: it counts as if it had come at once, in whatever order the parts do."""

import asyncio
import itertools
import json

import httpx
import msgspec
import numpy as np
import pytest

from ampacity.timegrid import quarter_at
from tests.peers.test_endpoints import ask, energy
from tests.peers.test_endpoints import here as here  # noqa: PLC0414  # a fixture
from tests.peers.world import NOW, block

Q0 = quarter_at(NOW)
REQUEST = "adjust_group_capacity_forecast"
GROUP, ASSETS = "update_group_measurements", "update_asset_measurements"


async def send(here, message: str, content: bytes, index, count, request_id, *, correlates=None, token="one"):
    headers = {
        "Authorization": f"Token {token}", "X-Request-ID": request_id, "X-Segment-Index": str(index),
        "X-Segment-Count": str(count), "Content-Type": "application/json",
    }  # fmt: skip
    if correlates is not None:
        headers["X-Correlation-ID"] = correlates
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(f"{here.base_url}/{message}", content=content, headers=headers)


def three_parts() -> list[bytes]:
    """A request for three quarters, a quarter in each part."""
    return [json.dumps(ask(block(Q0 + n, 1000 * n))).encode() for n in (1, 2, 3)]


def names(style: str) -> list[tuple[str, str | None]]:
    """The ids of three parts, and what each correlates to, in the readings that there are."""
    return {
        "the first": [("a", None), ("b", "a"), ("c", "a")],
        "the one before": [("a", "an older message"), ("b", "a"), ("c", "b")],
        "one id for all": [("a", None), ("a", None), ("a", None)],
    }[style]


async def stored_w(here) -> list[float]:
    [row] = await here.pool.fetch("select * from capacity_request")
    assert (row["first_quarter"], row["request_id"]) == (Q0 + 1, "a")
    return np.frombuffer(row["wanted_w"], "<f4").tolist()


@pytest.mark.parametrize("style", ["the first", "the one before", "one id for all"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_parts_of_a_request_make_one_whatever_their_order(here, style, order):
    parts, ids = three_parts(), names(style)

    for k, n in enumerate(order):
        assert await here.pool.fetchval("select count(*) from capacity_request") == 0, k
        answer = await send(here, REQUEST, parts[n], n + 1, 3, ids[n][0], correlates=ids[n][1])
        assert (answer.status_code, answer.content) == (204, b"")

    assert await stored_w(here) == [1000, 2000, 3000]
    assert len(here.requests) == 1


async def test_a_repeated_part_has_no_effect_not_even_the_last_one(here):
    parts, ids = three_parts(), names("the first")
    for n in (0, 0, 1, 2, 2, 1, 0):
        answer = await send(here, REQUEST, parts[n], n + 1, 3, ids[n][0], correlates=ids[n][1])
        assert answer.status_code == 204

    assert await stored_w(here) == [1000, 2000, 3000]
    assert len(here.requests) == 1


async def test_parts_that_come_at_once_make_one(here):
    parts, ids = three_parts(), names("the first")

    answers = await asyncio.gather(
        *(send(here, REQUEST, parts[n], n + 1, 3, ids[n][0], correlates=ids[n][1]) for n in range(3))
    )

    assert [a.status_code for a in answers] == [204, 204, 204]
    assert await stored_w(here) == [1000, 2000, 3000]


async def test_two_messages_in_parts_do_not_mix(here):
    for name, factor in (("a", 1), ("z", 10)):
        await send(here, REQUEST, json.dumps(ask(block(Q0 + 1, 1000 * factor))).encode(), 1, 2, name)
    for name, factor in (("a", 1), ("z", 10)):
        content = json.dumps(ask(block(Q0 + 2, 2000 * factor))).encode()
        await send(here, REQUEST, content, 2, 2, f"{name}2", correlates=name)

    rows = await here.pool.fetch("select request_id, wanted_w from capacity_request order by request_id")
    assert {r["request_id"]: np.frombuffer(r["wanted_w"], "<f4").tolist() for r in rows} == {
        "a": [1000, 2000], "z": [10_000, 20_000],
    }  # fmt: skip


async def test_a_message_that_was_cut_as_text_is_put_together_too(here):
    text = json.dumps(ask(block(Q0 + 1, 4000))).encode()

    for n, part in enumerate((text[:30], text[30:])):
        answer = await send(here, REQUEST, part, n + 1, 2, f"t{n}", correlates=None if n == 0 else "t0")
        assert answer.status_code == 204

    [row] = await here.pool.fetch("select * from capacity_request")
    assert np.frombuffer(row["wanted_w"], "<f4").tolist() == [4000]


@pytest.mark.parametrize("message", [GROUP, ASSETS])
async def test_measurements_in_parts_are_one_report(here, message):
    def reading(n: int) -> dict:
        if message == GROUP:
            return energy(Q0 - 4 + n, 100.0 * n)
        return {"asset_id": f"a{n}", "asset_category": "CHARGING", "energy_measurement": energy(Q0, 5)}

    for n in range(3):
        content = json.dumps({"group_id": "g1", "measurements": [reading(n)]}).encode()
        answer = await send(here, message, content, n + 1, 3, f"m{n}", correlates=None if n == 0 else "m0")
        assert answer.status_code == 204, answer.text

    [row] = await here.pool.fetch("select request_id, readings from usage_message")
    assert row["request_id"] == "m0"
    assert len(msgspec.json.decode(row["readings"])) == 3


async def test_the_part_that_completes_a_wrong_message_is_told_what_is_wrong(here):
    await send(here, REQUEST, json.dumps(ask(block(Q0 + 1, 1), group="g2")).encode(), 1, 2, "a")
    answer = await send(
        here, REQUEST, json.dumps(ask(block(Q0 + 2, 1), group="g2")).encode(), 2, 2, "b", correlates="a"
    )
    assert (answer.status_code, answer.json()["message"]) == (404, "there is no such group")

    await send(here, REQUEST, json.dumps(ask(block(Q0 + 1, 1))).encode(), 1, 2, "c")
    answer = await send(
        here, REQUEST, json.dumps(ask(block(Q0 + 2, 1), group="g2")).encode(), 2, 2, "d", correlates="c"
    )
    assert answer.status_code == 400
    assert "group_id: part 2 says something else" in answer.json()["message"]
    assert await here.pool.fetchval("select count(*) from capacity_request") == 0


@pytest.mark.parametrize(
    ("index", "count", "request_id", "status"),
    [
        (0, 2, "a", 400),
        (3, 2, "a", 400),
        ("one", 2, "a", 400),
        (1, 1000, "a", 413),
        (1, 2, "", 400),
        (1, "2.0", "a", 400),
    ],
)
async def test_a_part_that_cannot_be_one_is_refused(here, index, count, request_id, status):
    answer = await send(
        here, REQUEST, three_parts()[0], index, str(count).encode("latin-1").decode("latin-1"), request_id
    )

    assert answer.status_code == status
    assert await here.pool.fetchval("select count(*) from message_segment") == 0


async def test_other_content_under_the_same_part_is_refused(here):
    parts = three_parts()
    await send(here, REQUEST, parts[0], 1, 3, "a")

    answer = await send(here, REQUEST, parts[1], 1, 3, "a")

    assert answer.status_code == 400
    assert "part 1 of message a came before with other content" in answer.json()["message"]


async def test_nobody_keeps_parts_without_a_good_token_or_beyond_the_limit(here):
    assert (await send(here, REQUEST, b"{}", 1, 2, "a", token="wrong")).status_code == 403
    assert (await send(here, "heartbeat", b"{}", 1, 2, "a")).status_code == 400
    big = b"x" * 1_000_000
    statuses = [(await send(here, GROUP, big, 1, 2, f"r{n}")).status_code for n in range(10)]

    assert statuses == [204] * 8 + [403] * 2
    assert await here.pool.fetchval("select sum(octet_length(content)) from message_segment") == 8_000_000


async def test_parts_are_forgotten_after_an_hour(here):
    await send(here, REQUEST, three_parts()[0], 1, 2, "a")
    await here.pool.execute("update message_segment set recorded_at = now() - interval '61 minutes'")

    await send(here, REQUEST, three_parts()[1], 2, 2, "b", correlates="a")

    assert await here.pool.fetchval("select count(*) from message_segment") == 1
    assert await here.pool.fetchval("select count(*) from capacity_request") == 0


async def test_a_message_in_one_part_is_an_ordinary_one(here):
    answer = await send(here, REQUEST, json.dumps(ask(block(Q0 + 1, 7))).encode(), 1, 1, "a")

    assert answer.status_code == 204
    assert await stored_w(here) == [7]
