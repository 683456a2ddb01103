"""A small HTTP server that can also behave badly: late, not at all, a byte a second, cut off."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import h11

Manner = Literal["plain", "silent", "drop", "drip", "drip-body", "reset", "reset-body", "flood"]
_CHUNK_BYTES = 65_536
_DRIP_S = 1.0
_FLOOD_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer, and in what manner; `after` runs when the answer has been sent."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    manner: Manner = "plain"
    after: Callable[[], None] | None = None


Respond = Callable[[Heard], Awaitable[Answer]]


@asynccontextmanager
async def listening(host: str, port: int, respond: Respond) -> AsyncIterator[int]:
    """Serve HTTP/1.1; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, h11.ProtocolError):
                await _serve(reader, writer, respond)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, not as one who has said all."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        heard = await _heard(connection, reader)
        if heard is None:
            return
        answer = await respond(heard)
        await asyncio.sleep(answer.delay_s)
        if not await _send(connection, writer, answer):
            return
        if answer.after is not None:
            answer.after()
        if connection.our_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _heard(connection: h11.Connection, reader: asyncio.StreamReader) -> Heard | None:
    request: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return None
    assert request is not None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
    target = request.target.decode("latin-1").partition("?")[0]
    return Heard(method=request.method.decode(), path=target, headers=headers, body=bytes(body))


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Send an answer in its manner; gives whether the connection can go on."""
    if answer.manner == "silent":
        await asyncio.sleep(3600.0)
        return False
    if answer.manner == "drop":
        return False
    headers = [*answer.headers.items()]
    if answer.status != 204:
        headers.append(("Content-Length", str(_FLOOD_BYTES if answer.manner == "flood" else len(answer.body))))
    head = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    if answer.manner in {"reset", "reset-body"}:
        whole = head if answer.manner == "reset" else answer.body
        writer.write((b"" if answer.manner == "reset" else head) + whole[: len(whole) // 2])
        await writer.drain()
        _reset(writer)
        return False
    if answer.manner in {"drip", "drip-body"}:
        if answer.manner == "drip-body":
            writer.write(head)
        for byte in head if answer.manner == "drip" else answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(_DRIP_S)
        return False
    if answer.manner == "flood":
        writer.write(head)
        for _ in range(_FLOOD_BYTES // _CHUNK_BYTES):
            writer.write(b"x" * _CHUNK_BYTES)
            await writer.drain()
        return False
    body = b"" if answer.status == 204 else connection.send(h11.Data(data=answer.body)) or b""
    writer.write(head + body + (connection.send(h11.EndOfMessage()) or b""))
    await writer.drain()
    return True
