"""How fast measurements are taken in, beside a bare application that inserts a row for each request.

Both run on the same server program, the same database and in turns in the same run; each
server is a process of its own, the load comes from this one.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import numpy as np
import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from ampacity.app.clock import wall_clock
from ampacity.app.listening import patient
from ampacity.app.peering import build_peering
from ampacity.app.scratch_database import scratch_database
from ampacity.app.settings import ServerSettings
from ampacity.errors import NotReady
from ampacity.oscp.intake import GROUP_DECODER
from ampacity.oscp.routes import PATH, with_short_ways
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.tokens import TokenVault
from ampacity.store.intake_bench import add_bench_group, prepare_bare
from ampacity.store.pool import connect

_SECRET = "x" * 32  # of a database that is dropped at the end
_MEASUREMENTS = 3
_POOL = 10
_ROUNDS = 2

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one application reached; the best of its rounds."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    requests: int


class IntakeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The benchmark's result; `ratio` is ours over the bare one's requests per second."""

    ampacity: Side
    bare: Side
    ratio: float
    connections: int
    measurements_per_request: int = _MEASUREMENTS


async def bench_intake(dsn: str, *, seconds: float = 5.0, connections: int = 64) -> IntakeFigures:
    """Load both applications in turns and compare them.

    Raises:
        RuntimeError: a request was not answered with 204, or what was answered is not stored.
    """
    async with scratch_database(dsn) as scratch:
        token = await _prepare(scratch)
        best: dict[str, Side] = {}
        for _ in range(_ROUNDS):
            for name in ("bare", "ampacity"):
                side = await _round(name, scratch, token, seconds, connections)
                if name not in best or side.requests_per_s > best[name].requests_per_s:
                    best[name] = side
    return IntakeFigures(
        ampacity=best["ampacity"],
        bare=best["bare"],
        ratio=round(best["ampacity"].requests_per_s / best["bare"].requests_per_s, 2),
        connections=connections,
    )


async def _prepare(dsn: str) -> str:
    """A provider with a group and a token, and the table of the bare application."""
    pool = await connect(dsn, max_size=1)
    vault = TokenVault(_SECRET)
    token = vault.issue()
    await add_bench_group(pool, vault.digest(token))
    await prepare_bare(pool)
    await pool.close()
    return token


async def _round(name: str, dsn: str, token: str, seconds: float, connections: int) -> Side:
    async with _served(name, dsn) as port:
        await _load(port, token, 0.5, connections)  # to warm up
        begun = time.perf_counter()
        latencies_s = await _load(port, token, seconds, connections)
        took_s = time.perf_counter() - begun
    in_ms = np.array(latencies_s) * 1000.0
    return Side(
        requests_per_s=round(len(latencies_s) / took_s, 1),
        p50_ms=round(float(np.percentile(in_ms, 50)), 2),
        p99_ms=round(float(np.percentile(in_ms, 99)), 2),
        requests=len(latencies_s),
    )


# --- the load


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered; bare, so that it costs little beside what it measures."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._begun = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 204"):
            self._load.fail(data)
            return
        now = time.perf_counter()
        self._load.latencies_s.append(now - self._begun)
        if now < self._load.end:
            self._next()
        else:
            self._load.leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._load.fail(b"connection lost")

    def _next(self) -> None:
        assert self._transport is not None
        request = self._load.request()
        self._begun = time.perf_counter()
        self._transport.write(request)


class _Load:
    """The connections together."""

    def __init__(self, token: str, end: float, connections: int) -> None:
        self.end = end
        self.latencies_s: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = connections
        self._head, self._body = _request(token)
        self._count = 0

    def request(self) -> bytes:
        """The next request, under an id of its own and with registers that have grown."""
        self._count += 1
        number = b"%012d" % self._count
        return self._head.replace(b"IIIIIIIIIIII", number) + self._body.replace(
            b"1000.0", b"%d.0" % (100_000 + self._count)
        )

    def leave(self) -> None:
        self._left -= 1
        if self._left == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, answer: bytes) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"not taken: {answer[:500]!r}"))


async def _load(port: int, token: str, seconds: float, connections: int) -> list[float]:
    load = _Load(token, time.perf_counter() + seconds, connections)
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port) for _ in range(connections)]
    await load.done
    for transport, _ in opened:
        transport.close()
    return load.latencies_s


def _request(token: str) -> tuple[bytes, bytes]:
    """Head and body of a request, with places to fill in."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    phases = ("ONE", "TWO", "THREE")
    register = {"value": 1000.0, "unit": "WH", "direction": "IMPORT", "measure_time": at}
    measurements = [{**register, "phase": phase} for phase in phases]
    body = msgspec.json.encode({"group_id": "bench", "measurements": measurements})
    longer = len(b"100000.0") - len(b"1000.0")
    head = (
        f"POST {PATH}/update_group_measurements HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Token {token}\r\nX-Request-ID: {time.time_ns()}-IIIIIIIIIIII\r\n"
        f"Content-Length: {len(body) + longer * len(phases)}\r\n\r\n"
    )
    return head.encode(), body


# --- the servers, each a process of its own


@asynccontextmanager
async def _served(name: str, dsn: str) -> Any:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(name, dsn, theirs), daemon=True)
    process.start()
    try:
        theirs.close()  # so that its end is noticed here
        yield await asyncio.to_thread(ours.recv)
    except EOFError as ended:
        raise NotReady(f"the {name} server did not start") from ended
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, 10)


def serve(name: str, dsn: str, told: Connection) -> None:
    """Run one of the applications; tells its port when it listens."""
    asyncio.run(_serve(name, dsn, told))


async def _serve(name: str, dsn: str, told: Connection) -> None:
    pool = await connect(dsn, max_size=_POOL)
    if name == "ampacity":
        settings = OscpSettings(secret_key=_SECRET, requests_per_second=1e9, request_burst=10**9)
        peering = build_peering(pool, settings, public_url="http://127.0.0.1", clock=wall_clock)
        inner = Litestar([peering.router], state=State({"oscp": peering.endpoint}), logging_config=None)
        app: Any = with_short_ways(inner, peering.endpoint)
    else:
        app = _bare(pool)
    http: Any = patient(ServerSettings().head_timeout_s) if name == "ampacity" else "httptools"
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=http, log_level="error", access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    told.send(server.servers[0].sockets[0].getsockname()[1])
    await task


def _bare(pool: Any) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """The least that takes the same body in: decode, insert a row, answer."""
    from ampacity.store.intake_bench import add_bare  # noqa: PLC0415

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        decoded = GROUP_DECODER.decode(body)
        await add_bare(pool, decoded.group_id, body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app
