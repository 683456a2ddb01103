"""Who calls: the token that a request shows, how fast its owner may come, and how it writes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ampacity.errors import Refused, Unauthorised, Unsuitable
from ampacity.operations.desk import Desk
from ampacity.operations.register import prove_token
from ampacity.oscp.profiles import PeerProfile, profile_of
from ampacity.peers.session import PeerState
from ampacity.peers.types import Caller, TokenPurpose

_REMEMBERED_S = 5.0
_LONGEST_TOKEN = 1024


_LONGEST_ID = 256


class TooFast(Refused):
    """A peer sends faster than it may."""


def message_id(headers: Mapping[str, str], content_hash: bytes) -> str:
    """The id of a message; a peer that gives none repeats itself when the content is the same.

    Raises:
        Unsuitable: it is too long, or no text.
    """
    given = headers.get("x-request-id", "").strip()
    if len(given) > _LONGEST_ID or not given.isprintable():
        raise Unsuitable(f"X-Request-ID: more than {_LONGEST_ID} characters, or not printable")
    return given or f"sha256:{content_hash.hex()}"


@dataclass(slots=True)
class _Allowance:
    left: float
    at_s: float


@dataclass(slots=True)
class Door:
    """Lets peers in."""

    desk: Desk
    requests_per_second: float = 200.0
    burst: int = 1000
    _allowances: dict[int, _Allowance] = field(default_factory=dict)
    _profiles: dict[bytes, tuple[int, PeerProfile, float]] = field(default_factory=dict)

    async def caller(self, headers: Mapping[str, str], *, registering: bool = False, counted: bool = False) -> Caller:
        """Whose token a request shows; a one-time token is good for a registration only.

        Raises:
            Unauthorised: it shows none.
            Refused: the token is not good.
            TooFast: too many requests.
        """
        token_hash = self.token_hash(headers)
        caller = await self.desk.peers.caller(token_hash)
        if caller is None or caller.peer.state is PeerState.REMOVED:
            raise Refused("the token is not good")
        if caller.purpose is TokenPurpose.INVITE and not registering:
            raise Refused("this token is good for a registration only")
        if not counted:
            self.count(caller.peer.provider_no)
        answers_ours = registering and caller.peer.started_by == "us"
        if caller.purpose is TokenPurpose.PENDING and not answers_ours:
            await prove_token(self.desk, caller)
            caller = await self.desk.peers.caller(token_hash) or caller
        return caller

    async def profile(self, token_hash: bytes) -> PeerProfile:
        """How the owner of a token writes, remembered for a moment; whether the token is good is judged elsewhere.

        Raises:
            Refused: nobody has it.
            TooFast: too many requests.
        """
        known = self._profiles.get(token_hash)
        if known is None or known[2] < time.monotonic():
            caller = await self.desk.peers.caller(token_hash)
            if caller is None:
                self._profiles.pop(token_hash, None)
                raise Refused("the token is not good")
            known = (
                caller.peer.provider_no,
                profile_of(caller.peer.profile),
                time.monotonic() + _REMEMBERED_S,
            )
            self._profiles[token_hash] = known
        self.count(known[0])
        return known[1]

    def token_hash(self, headers: Mapping[str, str]) -> bytes:
        """The hash of the token in `Authorization: Token …`."""
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "token" or not token:
            raise Unauthorised("a header `Authorization: Token …` is needed")
        if len(token) > _LONGEST_TOKEN:
            raise Refused("the token is not good")
        return self.desk.tokens.digest(token)

    def count(self, provider_no: int) -> None:
        """Have a peer's allowance pay for a request.

        Raises:
            TooFast: there is not enough left of it.
        """
        now = time.monotonic()
        a = self._allowances.setdefault(provider_no, _Allowance(float(self.burst), now))
        a.left = min(float(self.burst), a.left + (now - a.at_s) * self.requests_per_second)
        a.at_s = now
        if a.left < 1.0:
            raise TooFast(f"more than {self.requests_per_second:g} requests a second")
        a.left -= 1.0
