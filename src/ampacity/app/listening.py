"""How connections are taken: a request's head has to be there in time and in bounds, which uvicorn leaves open."""

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT_BYTES = 65_536  # of request line and headers; what is longer is no peer's


def patient(head_timeout_s: float) -> type[asyncio.Protocol]:
    """A protocol for uvicorn's `http` that waits so long [s] for a head, and then answers 408 and closes.

    The time runs from the connection, on a kept one from the first byte of the next request. A head of more than
    64 KiB is answered with 431.
    """
    return type("PatientProtocol", (_PatientProtocol,), {"head_timeout_s": head_timeout_s})


class _PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 with an end to waiting."""

    head_timeout_s: float
    _waiting: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)
        if self._waiting is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._give_up(b"431 Request Header Fields Too Large", f"the head is over {HEAD_LIMIT_BYTES} bytes")

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._head_bytes = 0
        self._waiting = self.loop.call_later(self.head_timeout_s, self._too_late)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_late(self) -> None:
        self._give_up(b"408 Request Timeout", f"the head was not there within {self.head_timeout_s:g} s")

    def _give_up(self, status: bytes, why: str) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        message = b'{"message":"%s"}' % why.encode()
        self.transport.write(
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, len(message), message)
        )
        self.transport.close()


def free_port(host: str) -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        found: int = probe.getsockname()[1]
        return found
