"""What the operations on sessions work with."""

from collections.abc import Callable
from dataclasses import dataclass

from ampacity.peers.types import Address, Behaviour, Peer
from ampacity.ports import Clock, Counterpart, Outbox, Peers, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Ports of the sessions; `wall` is the wall clock, `wake` makes the background look at once."""

    peers: Peers
    tokens: Tokens
    counterpart: Counterpart
    outbox: Outbox
    wall: Clock
    demands: Behaviour  # what we ask of every peer
    wake: Callable[[], None]
    step_lease_s: float = 60.0
    acknowledge_timeout_s: float = 30.0


def address_of(desk: Desk, peer: Peer) -> Address:
    """How a peer that has told us its address is reached."""
    assert peer.base_url is not None
    assert peer.token_sealed is not None
    return Address(
        provider_id=peer.provider_id,
        base_url=peer.base_url,
        token=desk.tokens.unseal(peer.token_sealed),
        profile=peer.profile,
    )


def backoff_s(attempts: int, *, first_s: float, longest_s: float, jitter: float) -> float:
    """How long to wait after so many failures: doubling, up to a bound, less a random part (0 <= jitter < 1).

    >>> [backoff_s(n, first_s=2, longest_s=60, jitter=0.0) for n in (1, 2, 3, 10)]
    [2.0, 4.0, 8.0, 60.0]
    """
    whole = min(longest_s, first_s * 2.0 ** min(attempts - 1, 30))
    return whole * (1.0 - 0.5 * jitter)
