"""Heartbeats both ways: ours as the peer asked, theirs by their own word alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from ampacity.errors import NotReady
from ampacity.operations.desk import Desk, address_of
from ampacity.peers.session import PeerEvent, PeerState, has_registered
from ampacity.peers.types import Caller, Outcome, Peer

_BEATS_AHEAD = 3.0  # intervals from a beat to our `offline_mode_at`: two beats may be lost


async def take_heartbeat(desk: Desk, caller: Caller, offline_mode_at: datetime) -> None:
    """A peer tells until when it is to be taken as online; one that was offline gets a handshake.

    Raises:
        NotReady: it has not registered.
    """
    peer, now = caller.peer, desk.wall()
    if not has_registered(peer.state):
        raise NotReady(f"register first: the session is {peer.state}")
    if offline_mode_at <= now:
        told = partial(replace, offline_mode_at=offline_mode_at, last_heartbeat_at=now)
        await desk.peers.note(peer.provider_no, told)
        return
    after = await desk.peers.change(peer.provider_no, PeerEvent.HEARD, now, lambda p: _heard(p, offline_mode_at, now))
    if after is not None and after.step_at == now:
        desk.wake()


async def beat(desk: Desk, peer: Peer) -> None:
    """Send one heartbeat; a lost one is made good by the next."""
    assert peer.demands.heartbeat_interval_s is not None
    ahead = timedelta(seconds=_BEATS_AHEAD * peer.demands.heartbeat_interval_s)
    delivery = await desk.counterpart.beat(address_of(desk, peer), desk.wall() + ahead)
    if delivery.outcome is not Outcome.DELIVERED:
        await desk.peers.note(peer.provider_no, lambda p: replace(p, last_error=f"heartbeat: {delivery.detail}"))


async def mark_silent(desk: Desk) -> list[Peer]:
    """Peers whose own `offline_mode_at` has passed are offline; gives those that just became it."""
    now = desk.wall()
    return [
        peer
        for peer in await desk.peers.overdue(now)
        if await desk.peers.change(peer.provider_no, PeerEvent.FELL_SILENT, now) is not None
    ]


def _heard(peer: Peer, offline_mode_at: datetime, now: datetime) -> Peer:
    heard = replace(peer, offline_mode_at=offline_mode_at, last_heartbeat_at=now)
    if peer.state is PeerState.OFFLINE:
        return replace(heard, step_at=now, attempts=0, handshake_id=None)
    return heard
