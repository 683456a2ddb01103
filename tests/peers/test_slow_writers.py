"""Whoever writes slowly, or breaks off, ties up nothing and leaves nothing."""

import asyncio
import contextlib
import json
import socket
import struct

import pytest

from tests.peers.test_endpoints import MESSAGES
from tests.peers.world import add_grid, give_token, post, put_through, until, world

DRIPPED = ("adjust_group_capacity_forecast", "update_group_measurements", "heartbeat")


@pytest.fixture
async def grid(pool):
    await add_grid(pool, {"g1": "one", "g2": "two"}, unit="W")
    await put_through(pool, "one", "http://127.0.0.1:1/fp")
    await put_through(pool, "two", "http://127.0.0.1:1/fp", profile={"body_timeout_s": 0.3})
    for name in ("one", "two"):
        await give_token(pool, name, name)


def head(message: str, token: str, length: int) -> bytes:
    return (
        f"POST /oscp/cp/2.0/{message} HTTP/1.1\r\nHost: us\r\nAuthorization: Token {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection is closed, or reset since bytes were still on their way."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while more := await reader.read(4096):
            got += more
    return got


async def drip(here, message: str, token: str) -> tuple[bytes, float]:
    """Write a byte now and then until it is answered; gives the answer up to the end of the connection."""
    port = int(here.base_url.rsplit(":", 1)[1].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(MESSAGES[message]).encode()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    writer.write(head(message, token, len(body)))
    answer = asyncio.create_task(to_the_end(reader))
    for byte in body:
        if answer.done():
            break
        writer.write(bytes([byte]))
        await asyncio.wait([answer], timeout=0.1)
    got = await asyncio.wait_for(answer, 5.0)
    writer.close()
    return got, loop.time() - begun


@pytest.mark.parametrize("message", DRIPPED)
async def test_a_body_that_is_dripped_is_given_up_in_time(pool, grid, message):
    async with world(pool, background=False, body_timeout_s=0.8) as here:
        got, took_s = await drip(here, message, "one")

    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in got.lower()
    assert b'{"message":"the body was not there within 0.8 s"}' in got
    assert 0.7 < took_s < 3.0


@pytest.mark.parametrize("message", DRIPPED)
async def test_a_peer_may_have_a_time_of_its_own(pool, grid, message):
    async with world(pool, background=False, body_timeout_s=60.0) as here:
        got, took_s = await drip(here, message, "two")

    assert b"not there within 0.3 s" in got
    assert took_s < 3.0


async def test_many_who_drip_do_not_hold_up_those_who_do_not(pool, grid):
    async with world(pool, background=False, body_timeout_s=4.0) as here:
        slow = [asyncio.create_task(drip(here, DRIPPED[n % 2], "one")) for n in range(60)]
        await asyncio.sleep(0.3)
        answers = [await post(f"{here.base_url}/{m}", "one", MESSAGES[m], X_Request_ID=m) for m in DRIPPED]
        still_dripping = sum(not task.done() for task in slow)
        given_up = [got for got, _ in await asyncio.gather(*slow)]

    assert [a.status_code for a in answers] == [204, 204, 204]
    assert still_dripping == 60
    assert {got[:13] for got in given_up} <= {b"HTTP/1.1 408 ", b""}  # nothing: the connection was closed on it


@pytest.mark.parametrize("message", DRIPPED[:2])
async def test_a_message_that_is_reset_in_mid_body_leaves_nothing(pool, grid, message):
    tables = ("capacity_request", "usage_message")
    async with world(pool, background=False) as here:
        port = int(here.base_url.rsplit(":", 1)[1].split("/")[0])
        body = json.dumps(MESSAGES[message]).encode()
        for part in (0, 1, len(body) // 2, len(body) - 1):
            raw = socket.create_connection(("127.0.0.1", port))
            raw.sendall(head(message, "one", len(body)) + body[:part])
            await asyncio.sleep(0.05)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()  # with a reset
        await asyncio.sleep(0.2)
        left = {table: await pool.fetchval(f"select count(*) from {table}") for table in tables}
        answer = await post(f"{here.base_url}/{message}", "one", MESSAGES[message], X_Request_ID="whole")

        async def is_stored():
            return sum([await pool.fetchval(f"select count(*) from {table}") for table in tables]) == 1

        await until(is_stored)

    assert answer.status_code == 204
    assert set(left.values()) == {0}
