"""The next step of a session: register, answer a registration, shake hands, acknowledge.

Each step is due at a time that is stored, so that whatever process is alive takes it,
and no lock is held while a peer is waited for.  What a peer did in the meantime stands:
every change looks at the session as it is then.
"""

import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from ampacity.operations.desk import Desk, address_of, backoff_s
from ampacity.operations.handshake import connect
from ampacity.operations.register import registered
from ampacity.peers.session import PeerEvent, PeerState, has_registered
from ampacity.peers.types import Delivery, Outcome, Peer, TokenPurpose

_FIRST_S, _LONGEST_S = 2.0, 300.0
_REFUSED_AGAIN_S = 600.0  # a refused handshake may be a matter of time; a refused registration is not


async def due_steps(desk: Desk) -> list[Peer]:
    """Peers whose step this process shall take now."""
    now = desk.wall()
    return await desk.peers.due_steps(now, now + timedelta(seconds=desk.step_lease_s))


async def take_step(desk: Desk, peer: Peer) -> None:
    """Do what a session needs next."""
    if peer.acknowledge_id is not None and has_registered(peer.state):
        await _acknowledge(desk, peer)  # it carries our demands: no handshake of ours is needed
        return
    match peer.state:
        case PeerState.REGISTERING:
            await _register(desk, peer)
        case PeerState.REGISTERED | PeerState.HANDSHAKING:
            await _shake_hands(desk, peer)
        case PeerState.INVITED | PeerState.CONNECTED | PeerState.OFFLINE | PeerState.REMOVED:
            await desk.peers.note(peer.provider_no, lambda p: _done(p, peer))


async def _register(desk: Desk, peer: Peer) -> None:
    """Our registration, or our reply to theirs, with a new token for the peer."""
    token = desk.tokens.issue()
    digest = desk.tokens.digest(token)
    await desk.peers.add_token(peer.provider_no, digest, TokenPurpose.PENDING, desk.wall())
    answers = peer.register_id if peer.started_by == "them" else None
    delivery = await desk.counterpart.register(address_of(desk, peer), token, answers=answers)
    if delivery.outcome is not Outcome.DELIVERED:
        await _missed(desk, peer, delivery, final=delivery.outcome is Outcome.REFUSED)
    elif peer.started_by == "them":
        now = desk.wall()
        await desk.peers.activate(peer.provider_no, digest, now)
        await desk.peers.change(peer.provider_no, PeerEvent.REPLY_DELIVERED, now, lambda p: registered(p, now))
        desk.wake()
    else:  # its reply may have come before this; if not, it will
        await desk.peers.note(peer.provider_no, lambda p: _done(p, peer))


async def _shake_hands(desk: Desk, peer: Peer) -> None:
    handshake_id = str(uuid4())
    await desk.peers.note(peer.provider_no, lambda p: replace(p, handshake_id=handshake_id))
    delivery = await desk.counterpart.shake_hands(address_of(desk, peer), desk.demands, message_id=handshake_id)
    if delivery.outcome is not Outcome.DELIVERED:
        await _missed(desk, peer, delivery, final=False)
        return
    now = desk.wall()
    again = now + timedelta(seconds=desk.acknowledge_timeout_s * min(2.0**peer.attempts, 20.0))
    await desk.peers.change(
        peer.provider_no,
        PeerEvent.HANDSHAKE_SENT,
        now,
        lambda p: p if p.state is PeerState.CONNECTED else replace(p, step_at=again, attempts=p.attempts + 1),
    )


async def _acknowledge(desk: Desk, peer: Peer) -> None:
    assert peer.acknowledge_id is not None
    delivery = await desk.counterpart.acknowledge(address_of(desk, peer), desk.demands, answers=peer.acknowledge_id)
    if delivery.outcome is Outcome.DELIVERED:
        await connect(desk, peer, lambda p: replace(p, acknowledge_id=None))
    else:
        await _missed(desk, peer, delivery, final=False)


async def _missed(desk: Desk, peer: Peer, delivery: Delivery, *, final: bool) -> None:
    """Try again later, unless it is final or the session has moved on."""
    attempts = peer.attempts + 1
    wait_s = backoff_s(attempts, first_s=_FIRST_S, longest_s=_LONGEST_S, jitter=secrets.randbelow(1000) / 1000)
    if delivery.outcome is Outcome.REFUSED:
        wait_s = _REFUSED_AGAIN_S
    again = None if final else desk.wall() + timedelta(seconds=wait_s)
    await desk.peers.note(
        peer.provider_no,
        lambda p: (
            replace(p, step_at=again, attempts=attempts, last_error=delivery.detail) if p.state is peer.state else p
        ),
    )


def _done(now: Peer, before: Peer) -> Peer:
    """Nothing more to do, unless the session has moved on since."""
    return replace(now, step_at=None) if now.state is before.state else now
