"""The peers' part of a server: its endpoints and what runs behind them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from litestar import Router

from ampacity.app.beside import set_or_after
from ampacity.app.clock import wall_clock
from ampacity.errors import AmpacityError
from ampacity.operations.desk import Desk
from ampacity.operations.heartbeat import beat, mark_silent
from ampacity.operations.measure import UsageDesk
from ampacity.operations.publish import Sender
from ampacity.operations.step import due_steps, take_step
from ampacity.oscp.client import OscpClient
from ampacity.oscp.door import Door
from ampacity.oscp.outward import client_of
from ampacity.oscp.routes import PATH, Endpoint, oscp_router
from ampacity.oscp.sandbox import Journal
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.tokens import TokenVault
from ampacity.peers.types import Behaviour, Complaint, Peer
from ampacity.ports import Clock
from ampacity.store.asked import AskedStore
from ampacity.store.outbox import OutboxStore
from ampacity.store.peers import PeerStore
from ampacity.store.pool import Pool
from ampacity.store.segments import SegmentStore
from ampacity.store.usage import UsageStore

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Look: TypeAlias = Callable[["Peering", Spawn], Awaitable[None]]

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S, _LOOK_AT_MOST_EVERY_S = 1.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """What a server needs for its peers."""

    endpoint: Endpoint
    router: Router
    desk: Desk
    sender: Sender
    client: OscpClient
    woken: asyncio.Event


def build_peering(
    pool: Pool,
    settings: OscpSettings,
    *,
    public_url: str,
    clock: Clock,
    wall: Clock = wall_clock,
    decide: Callable[[int], None] = lambda _: None,
    alarm: Callable[[int, Complaint], None] = lambda _, __: None,
    journal: Journal | None = None,
    woken: asyncio.Event | None = None,
) -> Peering:
    """Wire the endpoints and the background; nothing runs yet.

    Args:
        public_url: Under which peers reach this server, without a path.
        clock: The time of the data.
        decide: Called with the number of each new request, at once.
        alarm: Called with provider and complaint when a provider cannot keep a forecast.
        journal: For a sandbox: where each message of a conversation is noted.
        woken: Set when there is something to send; one of its own by default.
    """
    woken = woken or asyncio.Event()
    client = client_of(settings, public_url.rstrip("/") + PATH, wall=wall, journal=journal)
    desk = _desk(pool, settings, client, wall=wall, wake=woken.set)
    endpoint = Endpoint(
        desk=desk,
        door=Door(desk, settings.requests_per_second, settings.request_burst),
        usage=UsageDesk(UsageStore(pool), clock, batch=settings.readings_batch),
        requests=AskedStore(pool),
        segments=SegmentStore(pool),
        settings=settings,
        clock=clock,
        decide=decide,
        alarm=alarm,
    )
    return Peering(
        endpoint=endpoint,
        router=oscp_router(endpoint),
        desk=desk,
        sender=_sender(desk, settings),
        client=client,
        woken=woken,
    )


def peer_desk(pool: Pool, settings: OscpSettings) -> Desk:
    """What the operations on sessions work with, for a command that sends nothing itself."""
    return _desk(pool, settings, client_of(settings, "", wall=wall_clock), wall=wall_clock, wake=lambda: None)


def _sender(desk: Desk, settings: OscpSettings) -> Sender:
    return Sender(
        desk=desk,
        sends_per_peer=settings.sends_per_peer,
        most_attempts=settings.most_attempts,
        lease_s=settings.lease_s,
        send_timeout_s=settings.send_timeout_s,
    )


def _desk(pool: Pool, settings: OscpSettings, client: OscpClient, *, wall: Clock, wake: Callable[[], None]) -> Desk:
    return Desk(
        peers=PeerStore(pool),
        tokens=TokenVault(settings.secret_key),
        counterpart=client,
        outbox=OutboxStore(pool),
        wall=wall,
        demands=Behaviour(
            heartbeat_interval_s=settings.heartbeat_interval_s, measurements=settings.measurement_configuration
        ),
        wake=wake,
        step_lease_s=settings.lease_s,
        acknowledge_timeout_s=settings.acknowledge_timeout_s,
    )


@asynccontextmanager
async def running(peering: Peering) -> AsyncIterator[None]:
    """Run the sender, the sessions' steps, the heartbeats and the watch for silent peers."""
    work = asyncio.create_task(look_for_ever(peering))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await peering.client.close()


async def look_for_ever(peering: Peering, *, what: Sequence[Look] | None = None, rest: float = 0.0) -> None:
    """Look for work again and again, at once when woken; what is found runs on its own: no peer holds up another.

    `what` is looked for, one after the other; by default everything.  After each look there is a rest, so many times as
    long as that took.
    """
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_guarded(work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        while True:
            peering.woken.clear()
            begun = time.monotonic()
            for look in what or (answers, sessions, messages):
                await _guarded(look(peering, spawn))
            took_s = time.monotonic() - begun
            # what comes meanwhile goes together
            await asyncio.sleep(max(_LOOK_AT_MOST_EVERY_S - took_s, min(rest * took_s, _LOOK_EVERY_S)))
            await set_or_after(peering.woken, _LOOK_EVERY_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answers(peering: Peering, spawn: Spawn) -> None:
    """Begin to send what answers requests."""
    for provider_no in await peering.sender.ready_answers():
        spawn(_send(peering, peering.sender.send_answers(provider_no)))


async def sessions(peering: Peering, spawn: Spawn) -> None:
    """Take the next steps of handshakes, send heartbeats that are due, note who has fallen silent."""
    desk = peering.desk
    for peer in await due_steps(desk):
        spawn(_step(peering, peer))
    for peer in await desk.peers.due_beats(desk.wall()):
        spawn(beat(desk, peer))
    for peer in await mark_silent(desk):
        _LOG.warning("%s has fallen silent", peer.provider_id)


async def messages(peering: Peering, spawn: Spawn) -> None:
    """Begin to send what else waits."""
    for provider_no in await peering.sender.ready():
        spawn(_send(peering, peering.sender.send(provider_no)))


async def _send(peering: Peering, sending: Coroutine[Any, Any, bool]) -> None:
    """Send to a provider; what came for it meanwhile is looked for at once."""
    if await sending:
        peering.woken.set()


async def _step(peering: Peering, peer: Peer) -> None:
    await take_step(peering.desk, peer)
    peering.woken.set()


async def _guarded(work: Awaitable[None]) -> None:
    try:
        await work
    except AmpacityError as told:
        _LOG.error("%s", told)
    except Exception:  # noqa: BLE001
        # A supervisor: whatever went wrong (the database restarts, say), the next look tries again.
        _LOG.exception("background work failed")
        await asyncio.sleep(_LOOK_EVERY_S)
