"""A small grid with decisions, and a running server, for the tests of the peers' part."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import numpy as np
import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from ampacity.app.listening import patient
from ampacity.app.peering import Peering, build_peering, running
from ampacity.network.types import ForecastKind
from ampacity.oscp.routes import with_short_ways
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.tokens import TokenVault
from ampacity.store.pool import Pool
from ampacity.timegrid import moment_of, quarter_at

SECRET = "a secret key of the tests, long enough"
NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
KINDS = [k.value for k in ForecastKind]
PHASE_V = 400 / 3**0.5


async def add_grid(pool: Pool, groups: dict[str, str], *, unit: str = "A", contracted_w: float = 22_000.0) -> None:
    """One cable, and groups on it: group id → provider id."""
    providers = sorted(set(groups.values()))
    await pool.executemany(
        "insert into provider (provider_no, provider_id, name) values ($1, $2, $2)", list(enumerate(providers))
    )
    await pool.execute("insert into element (element_no, element_id) values (0, 'cable')")
    await pool.execute(
        "insert into element_version (element_no, version, kind, nominal_voltage_v, rated_current_a, phases, name)"
        " values (0, 1, 'cable', 400, 250, '123', '')"
    )
    for no, (group_id, provider_id) in enumerate(groups.items()):
        await pool.execute("insert into capacity_group (group_no, group_id) values ($1, $2)", no, group_id)
        await pool.execute(
            "insert into contract (group_no, version, provider_no, element_no, phases, contracted_import_w,"
            " firm_import_w, contracted_export_w, firm_export_w, unit) values ($1, 1, $2, 0, '123', $3, 0, $3, 0, $4)",
            no, providers.index(provider_id), contracted_w, unit,
        )  # fmt: skip


async def decide(
    pool: Pool, capacity_w: np.ndarray, *, at: datetime = NOW, send: bool = True, kinds=KINDS, correlation_id=None
) -> int:
    """A decision with the same capacities [W], shape (groups, steps), for each kind, and its messages."""
    capacity_w = np.asarray(capacity_w, "<f4")
    groups, steps = capacity_w.shape
    async with pool.acquire() as connection, connection.transaction():
        decision_id = await connection.fetchval(
            "insert into decision (kind, made_at, settings, summary)"
            " values ('cycle', $1, '{}', '{}') returning decision_id",
            at,
        )
        for kind in kinds:
            await connection.execute(
                "insert into allocation_block values ($1, $2, 0, $3, $4, $5, 1, $6, $7)",
                decision_id, kind, groups, quarter_at(at), steps, capacity_w.tobytes(),
                np.full((groups, steps), -1, "<i4").tobytes(),
            )  # fmt: skip
            if send:
                await connection.execute(
                    "insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)"
                    " select $1, $2, provider_no, group_no, $3 from current_contract order by group_no",
                    decision_id, kind, correlation_id,
                )  # fmt: skip
    return decision_id


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class World:
    """A running server with its parts."""

    pool: Pool
    peering: Peering
    base_url: str
    requests: list[int] = field(default_factory=list)
    complaints: list = field(default_factory=list)

    async def state(self, provider_id: str) -> str:
        return await self.pool.fetchval(
            "select state from peer join provider using (provider_no) where provider_id = $1", provider_id
        )

    async def last_heartbeat_at(self, provider_id: str) -> datetime | None:
        return await self.pool.fetchval(
            "select last_heartbeat_at from peer join provider using (provider_no) where provider_id = $1", provider_id
        )

    async def offline_mode_at(self, provider_id: str) -> datetime | None:
        return await self.pool.fetchval(
            "select offline_mode_at from peer join provider using (provider_no) where provider_id = $1", provider_id
        )


def settings(**changes) -> OscpSettings:
    values = {
        "trusted_hosts": ("127.0.0.1", "localhost"), "secret_key": SECRET, "heartbeat_interval_s": 5.0,
        "connect_timeout_s": 2.0, "send_timeout_s": 3.0, "lease_s": 30.0, "acknowledge_timeout_s": 5.0,
        "requests_per_second": 10_000.0, "request_burst": 10_000,
    }  # fmt: skip
    return OscpSettings(**{**values, **changes})


async def put_through(pool: Pool, provider_id: str, url: str, **columns) -> None:
    """A provider that is connected at an address, as if it had registered."""
    vault = TokenVault(SECRET)
    values = {"base_url": url, "token_sealed": vault.seal("their token"), "state": "connected", **columns}
    names = ", ".join(values)
    places = ", ".join(f"${n}" for n in range(2, len(values) + 2))
    await pool.execute(
        f"insert into peer (provider_no, state_since, {names}) select provider_no, now(), {places}"
        " from provider where provider_id = $1",
        provider_id, *values.values(),
    )  # fmt: skip


async def give_token(pool: Pool, provider_id: str, token: str) -> None:
    """A token with which a provider may call us."""
    await pool.execute(
        "insert into peer_token (token_hash, provider_no, purpose, issued_at)"
        " select $2, provider_no, 'active', now() from provider where provider_id = $1",
        provider_id, TokenVault(SECRET).digest(token),
    )  # fmt: skip


@asynccontextmanager
async def serving(app, port: int, *, head_timeout_s: float = 10.0) -> AsyncIterator[None]:
    """Serve an ASGI application on the loopback."""
    config = uvicorn.Config(app, port=port, http=patient(head_timeout_s), log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def application(peering: Peering) -> ASGIApp:
    return with_short_ways(
        Litestar([peering.router], state=State({"oscp": peering.endpoint}), logging_config=None), peering.endpoint
    )


@asynccontextmanager
async def world(pool: Pool, *, background: bool = True, clock=lambda: NOW, **changes) -> AsyncIterator[World]:
    """The peers' part of a server on a port of its own."""
    port = free_port()
    made = World(pool, None, f"http://127.0.0.1:{port}/oscp/cp/2.0")
    made.peering = build_peering(
        pool, settings(**changes), public_url=f"http://127.0.0.1:{port}", clock=clock,
        decide=made.requests.append, alarm=lambda provider, complaint: made.complaints.append((provider, complaint)),
    )  # fmt: skip
    async with serving(application(made.peering), port):
        if background:
            async with running(made.peering):
                yield made
        else:
            yield made


async def until(condition, *, within_s: float = 15.0, message: str = "it never happened"):
    """Wait for a condition (a coroutine function or a function), giving its first true value."""
    end = asyncio.get_running_loop().time() + within_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < end, message
        await asyncio.sleep(0.05)


def block(quarter: int, capacity: float, *, phase: str = "ALL", unit: str = "W", quarters: int = 1) -> dict:
    return {
        "capacity": capacity, "phase": phase, "unit": unit,
        "start_time": moment_of(quarter).isoformat(), "end_time": moment_of(quarter + quarters).isoformat(),
    }  # fmt: skip


async def post(url: str, token: str, body: object, *, method: str = "POST", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(
            method, url, json=body,
            headers={"Authorization": f"Token {token}", **{k.replace("_", "-"): v for k, v in headers.items()}},
        )  # fmt: skip
