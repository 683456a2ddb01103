"""Requests for capacity that come together are recorded together, each as if it had come alone."""

import asyncio
import json
from collections import Counter

import httpx
import numpy as np
import pytest

from ampacity.network.types import ForecastKind
from ampacity.peers.types import CapacityRequest
from ampacity.store.asked import AskedStore
from ampacity.timegrid import moment_of, quarter_at
from tests.peers.test_endpoints import ask
from tests.peers.world import NOW, add_grid, block, give_token, put_through, world

Q0 = quarter_at(NOW)
GROUPS = 20


@pytest.fixture
async def here(pool):
    groups = {f"g{n}": "one" if n % 2 else "two" for n in range(GROUPS)}
    await add_grid(pool, groups)
    for provider_id in ("one", "two"):
        await put_through(pool, provider_id, "http://127.0.0.1:1/oscp/fp/2.0")
        await give_token(pool, provider_id, provider_id)
    async with world(pool, background=False) as running:
        yield running


def request(n: int, name: str) -> tuple[int, CapacityRequest]:
    return 0, CapacityRequest(
        group_id=f"g{n}", kind=ForecastKind.CONSUMPTION, request_id=name, content_hash=name.encode(), first_quarter=Q0,
        wanted_w=np.full(2, float(n), "f4"),
    )  # fmt: skip


def owner(n: int) -> str:
    return "one" if n % 2 else "two"


async def send_all(here, messages) -> list[int]:
    """Statuses of messages (token, id, body) that are sent at once over as many connections."""
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=100)) as http:

        async def send(token, request_id, body):
            headers = {"Authorization": f"Token {token}", "X-Request-ID": request_id}
            answer = await http.post(f"{here.base_url}/adjust_group_capacity_forecast", json=body, headers=headers)
            return answer.status_code

        return await asyncio.gather(*(send(*message) for message in messages))


async def test_each_of_many_at_once_is_recorded_with_its_own_figures(here):
    messages = [
        (owner(n % GROUPS), f"ask {n}", ask(block(Q0 + 1, 100 + n), group=f"g{n % GROUPS}")) for n in range(3 * GROUPS)
    ]

    assert set(await send_all(here, messages)) == {204}

    rows = await here.pool.fetch(
        "select request_id, group_id, wanted_w, provider_id, request_no from capacity_request"
        " join capacity_group using (group_no) join provider using (provider_no)"
    )
    found = {r["request_id"]: r for r in rows}
    assert len(found) == len(rows) == 3 * GROUPS
    for token, request_id, body in messages:
        row = found[request_id]
        assert (row["group_id"], row["provider_id"]) == (body["group_id"], token)
        assert row["wanted_w"] == np.float32(body["forecasted_blocks"][0]["capacity"]).tobytes()
    assert sorted(here.requests) == sorted(r["request_no"] for r in rows)
    steps = await here.pool.fetch("select request_no, step from request_event")
    assert Counter((r["request_no"], r["step"]) for r in steps) == {(r["request_no"], "received"): 1 for r in rows}


async def test_what_is_wrong_with_some_harms_no_other_and_is_told_to_them(here):
    right = [(owner(n), f"right {n}", ask(block(Q0 + 1, 5), group=f"g{n}")) for n in range(GROUPS)]
    wrong = {
        404: ("one", "not its group", ask(block(Q0 + 1, 5), group="g0")),
        403: ("nobody", "no such token", ask(block(Q0 + 1, 5), group="g0")),
        400: ("one", "past", ask(block(Q0 - 9, 5), group="g1")),
    }

    statuses = await send_all(here, [*right[:10], *wrong.values(), *right[10:]])

    assert statuses == [204] * 10 + list(wrong) + [204] * (GROUPS - 10)
    assert await here.pool.fetchval("select count(*) from capacity_request") == GROUPS


async def test_the_same_message_many_times_at_once_is_one_request(here):
    message = ("one", "once", ask(block(Q0 + 1, 5), group="g1"))

    assert set(await send_all(here, [message] * 12)) == {204}

    assert len(here.requests) == 1
    assert await here.pool.fetchval("select count(*) from request_event") == 1


async def test_of_two_messages_with_one_id_and_other_contents_one_is_refused(here):
    messages = [("one", "same", ask(block(Q0 + 1, watts), group=group)) for watts, group in ((5, "g1"), (6, "g3"))]

    assert sorted(await send_all(here, messages)) == [204, 400]

    assert await here.pool.fetchval("select count(*) from capacity_request") == 1


async def test_the_same_content_under_another_id_is_answered_under_both(here):
    body = ask(block(Q0 + 1, 5), group="g1")

    assert await send_all(here, [("one", "first", body)]) == [204]
    assert set(await send_all(here, [("one", "second", body), ("one", "third", body)])) == {204}

    assert len(here.requests) == 1
    repeats = await here.pool.fetch("select request_id from request_repeat")
    assert {r["request_id"] for r in repeats} == {"second", "third"}


async def test_a_body_that_comes_late_is_taken_all_the_same(here):
    body = json.dumps(ask(block(Q0 + 1, 5), group="g1")).encode()
    host, port = here.base_url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /oscp/cp/2.0/adjust_group_capacity_forecast HTTP/1.1\r\nHost: x\r\nAuthorization: Token one\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for part in (body[:20], body[20:]):
        await asyncio.sleep(0.15)
        writer.write(part)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 204")
    assert len(here.requests) == 1


async def test_each_request_is_paid_for_once(pool):
    await add_grid(pool, {f"g{n}": "one" for n in range(GROUPS)})
    await put_through(pool, "one", "http://127.0.0.1:1/oscp/fp/2.0")
    await give_token(pool, "one", "one")
    async with world(pool, background=False, requests_per_second=1e-6, request_burst=6) as here:
        body = ask(block(Q0 + 1, 5), group="g1")
        first = await send_all(here, [("one", "a", body)])
        again = await send_all(here, [("one", "a", body)])  # goes the usual way
        past = await send_all(here, [("one", "b", ask(block(Q0 - 9, 5), group="g1"))])
        others = await send_all(here, [("one", f"c{n}", ask(block(Q0 + 1, n), group=f"g{n}")) for n in range(2, 8)])

    assert (first, again, past) == ([204], [204], [400])
    assert Counter(others) == {204: 3, 429: 3}


async def test_requests_are_numbered_in_the_order_in_which_they_came(pool):
    await add_grid(pool, {f"g{n}": "one" for n in range(5)})
    store = AskedStore(pool)
    names = ["z", "b", "y", "a", "m"]

    asked = [request(n, name) for n, name in enumerate(names)]
    numbers = await store.add_requests(asked, moment_of(Q0))
    again = await store.add_requests([request(4, "new"), asked[0], request(1, "b")], moment_of(Q0))

    assert numbers == sorted(numbers)
    kept = await pool.fetch("select request_id from capacity_request order by request_no")
    assert [r["request_id"] for r in kept] == [*names, "new"]
    assert again[0] is not None
    assert again[1:] == [None, None]


async def test_two_servers_to_which_the_same_requests_come_record_each_once(pool):
    await add_grid(pool, {f"g{n}": "one" for n in range(GROUPS)})
    servers = AskedStore(pool), AskedStore(pool)

    there = [request(n, f"ask {n}") for n in range(GROUPS)]
    one, other = await asyncio.wait_for(
        asyncio.gather(servers[0].add_requests(there, NOW), servers[1].add_requests(there[::-1], NOW)), 20
    )

    taken = [a for a in (*one, *other) if a is not None]
    assert len(taken) == len(set(taken)) == GROUPS
