"""Who writes the head of a request slowly, or without end, is sent away; who asks again on a kept connection is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.peers.test_slow_writers import to_the_end
from tests.peers.world import free_port, serving

HEAD = b"GET /anything HTTP/1.1\r\nHost: us\r\n"
HEAD_TIMEOUT_S = 0.5


@pytest.fixture
async def port() -> AsyncIterator[int]:
    number = free_port()
    async with serving(hello, number, head_timeout_s=HEAD_TIMEOUT_S):
        yield number


async def hello(scope, receive, send):
    """Answers a request after longer than a head may take."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await asyncio.sleep(2 * HEAD_TIMEOUT_S)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})


async def dripped(port: int, *, before: bytes = b"", parts: bytes) -> tuple[bytes, float]:
    """What comes back, and after how long [s], where the parts are written a byte at a time, over and over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    if before:
        writer.write(before)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    begun = loop.time()
    answer = asyncio.create_task(to_the_end(reader))
    while not answer.done() and loop.time() < begun + 6.0:
        for byte in parts:
            writer.write(bytes([byte]))
            await asyncio.wait([answer], timeout=0.03)
            if answer.done():
                break
    writer.close()
    return await answer, loop.time() - begun


@pytest.mark.parametrize("parts", [b"X-A: b\r\n", b"\r\n"], ids=["headers", "empty lines"])
async def test_a_head_that_is_dripped_is_given_up_in_time(port, parts):
    before = HEAD if parts != b"\r\n" else b""
    got, took_s = await dripped(port, parts=before + parts)

    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"not there within 0.5 s" in got
    assert HEAD_TIMEOUT_S - 0.1 < took_s < 4.0


async def test_a_dripped_head_is_given_up_on_a_kept_connection_too(port):
    got, took_s = await dripped(port, before=HEAD + b"\r\n", parts=HEAD)

    assert got.startswith(b"HTTP/1.1 408 ")
    assert took_s < 4.0


async def test_a_connection_on_which_nothing_is_said_is_closed(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert b" 408 " in await asyncio.wait_for(to_the_end(reader), 5.0)
    writer.close()


async def test_a_head_without_end_is_refused(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"X-Long: " + b"x" * 70_000)

    assert b" 431 " in await asyncio.wait_for(to_the_end(reader), 5.0)
    writer.close()


async def test_who_waits_for_a_slow_answer_is_not_sent_away(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(HEAD + b"\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"hello"), 5.0)).startswith(b"HTTP/1.1 200")
    writer.close()
