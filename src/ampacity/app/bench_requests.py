"""`ampacity bench requests`: how soon requests for capacity are taken and answered while a cycle runs.

One server, a process of its own, decides a cycle of a whole operator and takes requests meanwhile, at a
steady rate that does not wait for answers; they go to groups all over the grid.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
import numpy as np

from ampacity.app.bench_cycle import BENCH_SECRET, deliver, measure, new_readings, ports_of
from ampacity.app.bench_dso import prepare_dso
from ampacity.app.bench_gate import GateWatch, waits_after_gate
from ampacity.app.bench_sink import sink
from ampacity.app.beside import beside
from ampacity.app.clock import make_clock
from ampacity.app.engine import LOCAL, open_engine
from ampacity.app.listening import free_port
from ampacity.app.progress import Show
from ampacity.app.server import Apart, build_server, started
from ampacity.app.session import Store
from ampacity.app.settings import ServerSettings, Settings
from ampacity.errors import NotReady
from ampacity.network import Group, ProviderId
from ampacity.oscp.routes import PATH
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.tokens import TokenVault
from ampacity.simulation.dso import DsoPlan
from ampacity.store.intake_bench import AnsweredRequest, answered_requests, give_bench_token, settle
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import QUARTER

_CONNECTIONS = 64
_PATIENCE_S = 120.0  # for the last answers, and for the server to listen


class RequestFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The benchmark's result."""

    elements: int
    groups: int
    per_s: float  # requests a second that were sent
    requests: int
    taken_p50_ms: float  # from the last byte sent to the 204
    taken_p99_ms: float
    answered_p50_s: float  # from when the request was durable to when its answer had been sent
    answered_p99_s: float
    after_gate_p50_s: float  # the same, but from when the gate was open again, where it was closed
    after_gate_p99_s: float
    gate_closed_s: float  # in all
    unanswered: int
    cycle_s: float  # from the first request until the cycle was decided


async def bench_requests(
    dsn: str, plan: DsoPlan, settings: Settings, show: Show, *, per_s: float, seconds: float
) -> RequestFigures:
    """Prepare an operator with a first cycle whose messages are delivered, then load a server that decides the next.

    Raises:
        NotReady: the server does not start, or refuses a request.
    """
    await prepare_dso(dsn, plan, settings, show)
    at = plan.sampled.window.end_moment
    settings = msgspec.structs.replace(settings, oscp=_oscp_settings(), negotiation=type(settings.negotiation)())
    pool = await connect(dsn)
    try:
        async with open_engine(LOCAL) as engine:
            ports = ports_of(pool, engine)
            await measure(at, ports, settings, pool)
            await new_readings(ports.grid, at)
        with sink() as peer:
            await deliver(pool, peer.port)
            await settle(pool)
            return await _loaded(dsn, pool, at + QUARTER, settings, per_s=per_s, seconds=seconds)
    finally:
        await pool.close()


def _oscp_settings() -> OscpSettings:
    return OscpSettings(
        secret_key=BENCH_SECRET, trusted_hosts=("127.0.0.1",), requests_per_second=1e9, request_burst=10**9
    )


async def _loaded(
    dsn: str, pool: Pool, at: datetime, settings: Settings, *, per_s: float, seconds: float
) -> RequestFigures:
    network = await PostgresGrid(pool).network()
    vault = TokenVault(BENCH_SECRET)
    tokens = {p.provider_id: vault.issue() for p in network.providers}
    for no, provider in enumerate(network.providers):
        await give_bench_token(pool, no, vault.digest(tokens[provider.provider_id]))
    with _serving(dsn, at, settings) as port:
        load, gate = _Load(port, tokens, network.groups, at), GateWatch(pool, at)
        async with beside(gate.look_on()):
            await load.run(per_s, seconds)
            answered = await _answers(pool, len(load.taken_s))
            await _decided(gate)
    took_s = [(request.sent_at - request.recorded_at).total_seconds() for request in answered]
    waited_s = waits_after_gate(answered, gate.closed)
    in_ms = np.array(load.taken_s) * 1000.0
    return RequestFigures(
        elements=len(network.elements),
        groups=len(network.groups),
        per_s=round(len(in_ms) / seconds, 1),
        requests=len(in_ms),
        taken_p50_ms=round(float(np.percentile(in_ms, 50)), 1),
        taken_p99_ms=round(float(np.percentile(in_ms, 99)), 1),
        answered_p50_s=round(float(np.percentile(took_s, 50)), 2),
        answered_p99_s=round(float(np.percentile(took_s, 99)), 2),
        after_gate_p50_s=round(float(np.percentile(waited_s, 50)), 2),
        after_gate_p99_s=round(float(np.percentile(waited_s, 99)), 2),
        gate_closed_s=round(gate.closed_s, 1),
        unanswered=len(in_ms) - len(took_s),
        cycle_s=round(gate.cycle_s, 2),
    )


async def _answers(pool: Pool, requests: int) -> list[AnsweredRequest]:
    """The answered requests, when all are answered or patience ends."""
    end = time.monotonic() + _PATIENCE_S
    while len(found := await answered_requests(pool)) < requests and time.monotonic() < end:  # noqa: ASYNC110  # no event
        await asyncio.sleep(1.0)
    if not found:
        raise NotReady(f"none of {requests} requests was answered within {_PATIENCE_S:g} s")
    return found


async def _decided(gate: GateWatch) -> None:
    """Wait until the cycle is decided."""
    end = time.monotonic() + _PATIENCE_S
    while gate.decided_at is None:  # what is in a database has no event
        if time.monotonic() > end:
            raise NotReady(f"the cycle of {gate.slot.isoformat()} was not decided")
        await asyncio.sleep(1.0)


class _Load:
    """Requests at a steady rate over kept connections."""

    def __init__(self, port: int, tokens: Mapping[ProviderId, str], groups: tuple[Group, ...], at: datetime) -> None:
        self._port, self._tokens, self._groups, self._at = port, tokens, groups, at
        self._rng = np.random.default_rng(5)
        self.taken_s: list[float] = []

    async def run(self, per_s: float, seconds: float) -> None:
        """Send for so long; raises NotReady where one is not taken."""
        idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        for _ in range(_CONNECTIONS):
            idle.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as sending:
            for n in range(int(per_s * seconds)):
                await asyncio.sleep(max(0.0, begun + n / per_s - time.perf_counter()))
                sending.create_task(self._send(idle, n))
        while not idle.empty():
            idle.get_nowait()[1].close()

    async def _send(self, idle: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]", n: int) -> None:
        request = self._request(n)
        begun = time.perf_counter()  # waiting for a free connection counts
        reader, writer = await idle.get()
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        self.taken_s.append(time.perf_counter() - begun)
        if not answer.startswith(b"HTTP/1.1 204"):
            raise NotReady(f"a request was not taken: {answer[:200]!r}")
        idle.put_nowait((reader, writer))

    def _request(self, n: int) -> bytes:
        """An hour from now on, between nothing and the whole contract."""
        group = self._groups[int(self._rng.integers(len(self._groups)))]
        start = self._at + timedelta(hours=1)
        body = msgspec.json.encode(
            {
                "group_id": group.group_id,
                "type": "CONSUMPTION",
                "forecasted_blocks": [
                    {
                        "capacity": float(np.round(self._rng.uniform(0, group.contracted_import_w))),
                        "phase": "ALL",
                        "unit": "W",
                        "start_time": start.isoformat(),
                        "end_time": (start + timedelta(hours=1)).isoformat(),
                    }
                ],
            }
        )
        head = (
            f"POST {PATH}/adjust_group_capacity_forecast HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nAuthorization: Token {self._tokens[group.provider_id]}\r\n"
            f"X-Request-ID: bench-{n}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


# --- the server, a process of its own


@contextmanager
def _serving(dsn: str, at: datetime, settings: Settings) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(dsn, at, settings, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(_PATIENCE_S):
            raise NotReady(f"the server did not listen within {_PATIENCE_S:g} s")
        yield ours.recv()
    except EOFError as ended:
        raise NotReady("the server did not start") from ended
    finally:
        process.terminate()
        process.join(10)


def _serve(dsn: str, at: datetime, settings: Settings, told: "multiprocessing.connection.Connection") -> None:
    asyncio.run(_run(dsn, at, settings, told))


async def _run(dsn: str, at: datetime, settings: Settings, told: "multiprocessing.connection.Connection") -> None:
    is_apart = settings.server.apart
    settings = msgspec.structs.replace(settings, server=ServerSettings(port=free_port("127.0.0.1"), apart=is_apart))
    pool = await connect(dsn)
    apart = Apart(dsn=dsn) if is_apart else None
    async with started(build_server(Store(pool), settings, make_clock(at, 1.0), apart=apart)):
        told.send(settings.server.port)
        await asyncio.Event().wait()
