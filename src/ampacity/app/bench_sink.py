"""A peer for benchmarks: a process of its own that answers every request with 204 and counts."""

import asyncio
import multiprocessing
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True)
class Sink:
    """Where it listens; `count` asks how many requests it took."""

    port: int
    _pipe: Connection

    def count(self) -> int:
        self._pipe.send("count")
        found: int = self._pipe.recv()
        return found


@contextmanager
def sink(certificate: Path | None = None) -> Iterator[Sink]:
    """A running sink on loopback; with a PEM file of certificate and key it speaks TLS."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, certificate))
    process.start()
    try:
        yield Sink(port=ours.recv(), _pipe=ours)
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, certificate: Path | None) -> None:
    asyncio.run(_listen(pipe, certificate))


async def _listen(pipe: Connection, certificate: Path | None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    counter = [0]
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(counter), "127.0.0.1", 0, ssl=tls)
    pipe.send(server.sockets[0].getsockname()[1])
    async with server:
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send(counter[0])


class _Answering(asyncio.Protocol):
    """Reads requests with a content length, one after the other, and answers each when it is whole."""

    def __init__(self, counter: list[int]) -> None:
        self._counter, self._buffer = counter, bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            at = head.find(_LENGTH)
            length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            del self._buffer[: end + 4 + length]
            self._counter[0] += 1
            assert self._transport is not None
            self._transport.write(_ANSWER)
