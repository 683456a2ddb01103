"""The session of a peer as a table: what may happen in which state, and what follows.

invited → registering → registered → handshaking → connected ⇄ offline, and removed from anywhere.
A pair that is not in the table cannot happen: `next_state` gives None, and nothing is changed.
"""

from enum import StrEnum


class PeerState(StrEnum):
    """Where a peer stands; a provider without a session stands at `removed`."""

    INVITED = "invited"
    REGISTERING = "registering"
    REGISTERED = "registered"
    HANDSHAKING = "handshaking"
    CONNECTED = "connected"
    OFFLINE = "offline"
    REMOVED = "removed"


class PeerEvent(StrEnum):
    """What happens to a session."""

    INVITED = "invited"  # the operator made a one-time token for it
    STARTED = "started"  # the operator gave its address and token: we register
    REGISTER_RECEIVED = "register received"  # it registers: we owe it a reply
    REPLY_RECEIVED = "reply received"  # it answered our registration
    REPLY_DELIVERED = "reply delivered"  # it took our answer
    TOKEN_PROVED = "token proved"  # it used the token of an answer whose receipt was lost  # noqa: S105  # a name
    RENEWED = "renewed"  # it has another token or address
    HANDSHAKE_SENT = "handshake sent"
    HANDSHAKE_RECEIVED = "handshake received"  # it starts the handshake: we owe an acknowledgement
    ACKNOWLEDGED = "acknowledged"  # both sides know what the other demands
    HEARD = "heard"  # a heartbeat that reaches into the future
    FELL_SILENT = "fell silent"  # its own `offline_mode_at` has passed
    REMOVED = "removed"


_S, _E = PeerState, PeerEvent
_KNOWN = (_S.REGISTERED, _S.HANDSHAKING, _S.CONNECTED, _S.OFFLINE)

TRANSITIONS: dict[tuple[PeerState, PeerEvent], PeerState] = {
    (_S.REMOVED, _E.INVITED): _S.INVITED,
    (_S.REMOVED, _E.STARTED): _S.REGISTERING,
    (_S.REMOVED, _E.REMOVED): _S.REMOVED,
    (_S.REGISTERING, _E.REPLY_RECEIVED): _S.REGISTERED,
    (_S.REGISTERING, _E.REPLY_DELIVERED): _S.REGISTERED,
    (_S.REGISTERING, _E.TOKEN_PROVED): _S.REGISTERED,
    (_S.REGISTERED, _E.REPLY_DELIVERED): _S.REGISTERED,
    (_S.HANDSHAKING, _E.REPLY_DELIVERED): _S.HANDSHAKING,
    (_S.CONNECTED, _E.REPLY_DELIVERED): _S.CONNECTED,
    (_S.REGISTERED, _E.HANDSHAKE_SENT): _S.HANDSHAKING,
    (_S.HANDSHAKING, _E.HANDSHAKE_SENT): _S.HANDSHAKING,
    (_S.CONNECTED, _E.HANDSHAKE_SENT): _S.CONNECTED,  # its acknowledgement came before its 204
    (_S.CONNECTED, _E.FELL_SILENT): _S.OFFLINE,
    (_S.OFFLINE, _E.HEARD): _S.HANDSHAKING,
    **{(s, _E.INVITED): s for s in _S if s is not _S.REMOVED},
    **{(s, _E.STARTED): _S.REGISTERING for s in _S if s is not _S.REMOVED},
    **{(s, _E.REGISTER_RECEIVED): _S.REGISTERING for s in _S if s is not _S.REMOVED},
    **{(s, _E.REMOVED): _S.REMOVED for s in _S if s is not _S.REMOVED},
    **{(s, _E.RENEWED): s for s in _KNOWN},
    **{(s, _E.HANDSHAKE_RECEIVED): s for s in _KNOWN},
    **{(s, _E.ACKNOWLEDGED): _S.CONNECTED for s in _KNOWN},
    **{(s, _E.HEARD): s for s in _KNOWN if s is not _S.OFFLINE},
}


def next_state(state: PeerState, event: PeerEvent) -> PeerState | None:
    """The state after an event; None where the event cannot happen.

    >>> next_state(PeerState.CONNECTED, PeerEvent.FELL_SILENT)
    <PeerState.OFFLINE: 'offline'>
    """
    return TRANSITIONS.get((state, event))


def has_registered(state: PeerState) -> bool:
    """Whether a peer in that state may send anything but a registration."""
    return state in _KNOWN
