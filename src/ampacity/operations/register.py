"""Registration: the exchange of tokens, started by either side.

The one-time token stays good until our reply was taken, so that a lost reply locks
nobody out; every try of a reply carries a token of its own, and a peer that uses one of
them proves that the reply arrived.
"""

from dataclasses import replace
from datetime import datetime

from ampacity.errors import NotReady
from ampacity.operations.desk import Desk
from ampacity.peers.session import PeerEvent, PeerState
from ampacity.peers.types import Caller, Peer, Profile, TokenPurpose


async def invite(desk: Desk, provider_id: str, profile: Profile | None = None) -> str:
    """Make a one-time token for a provider that will start the registration.

    Raises:
        NotFound: there is no such provider.
    """
    now = desk.wall()
    peer = await desk.peers.enrol(provider_id, now)
    token = desk.tokens.issue()
    await desk.peers.change(
        peer.provider_no, PeerEvent.INVITED, now, lambda p: p if profile is None else replace(p, profile=profile)
    )
    await desk.peers.add_token(peer.provider_no, desk.tokens.digest(token), TokenPurpose.INVITE, now)
    return token


async def start(desk: Desk, provider_id: str, *, base_url: str, token: str, profile: Profile | None = None) -> None:
    """Register with a provider that gave us its address and a one-time token; the next step sends it."""
    now = desk.wall()
    peer = await desk.peers.enrol(provider_id, now)
    await desk.peers.change(
        peer.provider_no,
        PeerEvent.STARTED,
        now,
        lambda p: replace(
            p,
            base_url=base_url,
            token_sealed=desk.tokens.seal(token),
            started_by="us",
            profile=p.profile if profile is None else profile,
            step_at=now,
            attempts=0,
            last_error=None,
        ),
    )
    desk.wake()


async def take_registration(desk: Desk, caller: Caller, *, base_url: str, token: str, message_id: str) -> None:
    """A peer registers, or answers our registration: the token that it shows tells which.

    Raises:
        NotReady: its session does not allow it now.
    """
    now = desk.wall()
    answers = caller.purpose is TokenPurpose.PENDING and caller.peer.started_by == "us"
    event = PeerEvent.REPLY_RECEIVED if answers else PeerEvent.REGISTER_RECEIVED
    changed = await desk.peers.change(
        caller.peer.provider_no,
        event,
        now,
        lambda p: replace(
            p,
            base_url=base_url,
            token_sealed=desk.tokens.seal(token),
            started_by=None if answers else "them",
            register_id=None if answers else message_id,
            step_at=now,
            attempts=0,
            last_error=None,
            handshake_id=None,
        ),
    )
    if changed is None:
        raise NotReady(f"a registration does not fit the session, which is {caller.peer.state}")
    if answers:
        await desk.peers.activate(caller.peer.provider_no, caller.token_hash, now)
    desk.wake()


async def take_renewal(desk: Desk, caller: Caller, *, base_url: str, token: str) -> None:
    """A registered peer has another token or address; it is not answered."""
    renewed = await desk.peers.change(
        caller.peer.provider_no,
        PeerEvent.RENEWED,
        desk.wall(),
        lambda p: replace(p, base_url=base_url, token_sealed=desk.tokens.seal(token)),
    )
    if renewed is None:
        raise NotReady(f"there is no registration to renew: the session is {caller.peer.state}")


async def remove(desk: Desk, provider_no: int) -> None:
    """End a session, for the peer or for the operator: no token is good any more."""
    now = desk.wall()
    await desk.peers.revoke_all(provider_no, now)
    await desk.peers.change(provider_no, PeerEvent.REMOVED, now, _forgotten)


async def prove_token(desk: Desk, caller: Caller) -> None:
    """A peer uses a token of an exchange whose end we have not seen: it got it, so the exchange is over."""
    now, provider_no = desk.wall(), caller.peer.provider_no
    if caller.purpose is not TokenPurpose.PENDING or caller.peer.started_by == "us":
        return
    await desk.peers.activate(provider_no, caller.token_hash, now)
    await desk.peers.change(provider_no, PeerEvent.TOKEN_PROVED, now, lambda p: registered(p, now))
    desk.wake()


def registered(peer: Peer, now: datetime) -> Peer:
    """The exchange is over: the handshake is next."""
    if peer.state is not PeerState.REGISTERING:
        return peer
    return replace(peer, started_by=None, register_id=None, step_at=now, attempts=0, last_error=None, handshake_id=None)


def _forgotten(peer: Peer) -> Peer:
    return replace(
        peer, base_url=None, token_sealed=None, started_by=None, register_id=None, next_beat_at=None,
        offline_mode_at=None, handshake_id=None, acknowledge_id=None, step_at=None, attempts=0, last_error=None,
    )  # fmt: skip
