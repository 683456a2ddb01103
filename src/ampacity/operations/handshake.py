"""The handshake: each side says what it demands of the other; then the peer is connected."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ampacity.errors import NotReady
from ampacity.operations.desk import Desk
from ampacity.peers.session import PeerEvent, PeerState
from ampacity.peers.types import Behaviour, Caller, Peer


async def take_handshake(desk: Desk, caller: Caller, demands: Behaviour, *, message_id: str) -> None:
    """A peer starts the handshake: we owe it an acknowledgement.

    Raises:
        NotReady: it has not registered.
    """
    now = desk.wall()
    taken = await desk.peers.change(
        caller.peer.provider_no,
        PeerEvent.HANDSHAKE_RECEIVED,
        now,
        lambda p: replace(_demanding(p, demands, now), acknowledge_id=message_id, step_at=now, attempts=0),
    )
    if taken is None:
        raise NotReady(f"register first: the session is {caller.peer.state}")
    desk.wake()


async def take_acknowledgement(desk: Desk, caller: Caller, demands: Behaviour) -> None:
    """A peer answers our handshake; an answer that names no handshake means the last one.

    Raises:
        NotReady: it has not registered.
    """
    now = desk.wall()
    if not await connect(desk, caller.peer, lambda p: replace(_demanding(p, demands, now), handshake_id=None)):
        raise NotReady(f"register first: the session is {caller.peer.state}")


async def connect(desk: Desk, peer: Peer, alter: Callable[[Peer], Peer]) -> bool:
    """Both sides know what the other demands: the peer gets the newest forecasts at once."""
    now = desk.wall()
    after = await desk.peers.change(peer.provider_no, PeerEvent.ACKNOWLEDGED, now, lambda p: _connected(alter(p), now))
    if after is not None and after.connected_at == now:
        await desk.outbox.enqueue_newest(peer.provider_no)
    desk.wake()
    return after is not None


def _connected(peer: Peer, now: datetime) -> Peer:
    if peer.state is PeerState.CONNECTED:
        return replace(peer, step_at=None, attempts=0, last_error=None)
    heard = peer.offline_mode_at if peer.offline_mode_at is not None and peer.offline_mode_at > now else None
    return replace(peer, step_at=None, attempts=0, last_error=None, connected_at=now, offline_mode_at=heard)


def _demanding(peer: Peer, demands: Behaviour, now: datetime) -> Peer:
    return replace(peer, demands=demands, next_beat_at=None if demands.heartbeat_interval_s is None else now)
