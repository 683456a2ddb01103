"""Peers: their sessions, what is sent to them and what they report."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ampacity.network import ForecastKind
from ampacity.peers.metering import NewReading, Reading, UnsettledMessage
from ampacity.peers.session import PeerEvent
from ampacity.peers.types import (
    Address,
    Behaviour,
    Caller,
    CapacityRequest,
    Complaint,
    Connection,
    Delivery,
    Figures,
    OutboundForecast,
    Peer,
    TokenPurpose,
    UsageMessage,
    Verdict,
    Watts,
)
from ampacity.timegrid import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A provider that is not connected."""

    provider_no: int
    gone_s: float | None  # since when; None: it never was connected
    heeds_s: float  # for how long it may still follow the last CONSUMPTION and GENERATION that it was sent


class ConnectedPeers(Protocol):
    """Who can be told something now, and what those were told who cannot."""

    async def connected_providers(self) -> Collection[int]:
        """Numbers of the providers whose peer is connected."""
        ...

    async def away_providers(self) -> Sequence[Away]:
        """The others; none where nobody was ever enrolled."""
        ...

    async def figures_told(self, group_nos: Sequence[int], kind: ForecastKind) -> Sequence[tuple[int, Figures]]:
        """What these groups were sent last, and what they may have got since; several for a group, or none."""
        ...

    async def told_each_cycle(self) -> Collection[int]:
        """Numbers of the providers that want every forecast, changed or not."""
        ...


class Peers(Protocol):
    """Sessions, and the tokens that we issued."""

    async def caller(self, token_hash: bytes) -> Caller | None:
        """Who holds this token; None: nobody (any more)."""

    async def callers(self, token_hashes: Sequence[bytes]) -> dict[bytes, Caller]:
        """Who holds these tokens; nobody (any more) of those that are left out."""

    async def peer(self, provider_no: int) -> Peer | None: ...

    async def peers_of(self, provider_nos: Sequence[int]) -> dict[int, Peer]: ...

    async def peers(self) -> list[Peer]: ...

    async def enrol(self, provider_id: str, at: datetime) -> Peer:
        """The peer of a provider, made in state `removed` where it has none."""

    async def change(
        self, provider_no: int, event: PeerEvent, at: datetime, alter: Callable[[Peer], Peer] = ...
    ) -> Peer | None:
        """Let an event happen: the state by its table, the rest by `alter`; None: it cannot happen now."""

    async def note(self, provider_no: int, alter: Callable[[Peer], Peer]) -> None:
        """Change what is known of a peer without an event."""

    async def add_token(self, provider_no: int, token_hash: bytes, purpose: TokenPurpose, at: datetime) -> None: ...

    async def activate(self, provider_no: int, token_hash: bytes, at: datetime) -> None:
        """Make one token the one that holds; others of exchanges that still run stay good until they are long over."""

    async def revoke_all(self, provider_no: int, at: datetime) -> None: ...

    async def due_steps(self, now: datetime, until: datetime) -> list[Peer]:
        """Peers whose next step is due, each for one process: it is put off to `until`."""

    async def due_beats(self, now: datetime) -> list[Peer]:
        """Peers that want a heartbeat now, each for one process: the next one is set."""

    async def quieten(self, provider_no: int, beat_at: datetime | None) -> None:
        """Set when we beat next; None: never."""

    async def overdue(self, now: datetime) -> list[Peer]:
        """Connected peers whose own `offline_mode_at` has passed."""


class Tokens(Protocol):
    """Tokens: ours to issue, theirs to keep safe."""

    def issue(self) -> str: ...

    def digest(self, token: str) -> bytes: ...

    def seal(self, token: str) -> bytes: ...

    def unseal(self, sealed: bytes) -> str: ...


class Counterpart(Protocol):
    """Messages to peers, whatever the protocol; never raises for what a peer does."""

    async def register(self, to: Address, token: str, *, answers: str | None) -> Delivery: ...

    async def shake_hands(self, to: Address, demands: Behaviour, *, message_id: str) -> Delivery: ...

    async def acknowledge(self, to: Address, demands: Behaviour, *, answers: str) -> Delivery: ...

    async def beat(self, to: Address, offline_mode_at: datetime) -> Delivery: ...

    async def forecast(self, to: Address, forecast: OutboundForecast) -> Delivery: ...

    def wants_changes_only(self, to: Address) -> bool: ...

    def says_the_same(self, to: Address, forecast: OutboundForecast, last: Figures) -> bool:
        """Whether a forecast would tell the peer nothing that the last one did not."""

    def keeps_silent(self, to: Address, forecast: OutboundForecast) -> bool:
        """Whether the peer wants no word of what this says: a refusal."""


class Outbox(Protocol):
    """Forecasts that wait to be sent.  Its leases run on the database's own clock."""

    async def waiting(self, few: int) -> dict[int, bool]:
        """Connected providers that have something due, and whether that is more than a few."""

    async def claim(
        self, provider_no: int, owner: UUID, *, behind: int, limit: int, lease_s: float
    ) -> tuple[int | None, list[OutboundForecast]]:
        """Take the due messages of a provider's groups behind one, page by page, in order per (group, kind).

        Of some `limit` messages that wait; older unsent ones among them are superseded before.  Gives the last group
        of the page, None where nothing waits behind.
        """

    async def claim_few(
        self, provider_nos: Sequence[int], owner: UUID, *, each: int, lease_s: float
    ) -> dict[int, list[OutboundForecast]]:
        """Take the first due messages of several connected providers, so many of each, as `claim` does; by provider."""

    async def waiting_for_answers(self) -> list[int]:
        """Providers that a due answer to a request waits for.

        One that failed before, or is committed after one that was written later, is seen some two seconds later.
        """

    async def claim_answers(
        self, provider_nos: Sequence[int], owner: UUID, *, each: int, lease_s: float
    ) -> dict[int, list[OutboundForecast]]:
        """The same of answers to requests alone that `waiting_for_answers` sees, whatever else waits for them."""

    async def sent(self, owner: UUID, message_ids: Sequence[int]) -> None: ...

    async def left_out(self, owner: UUID, message_id: int, reason: str) -> None:
        """A message that the peer does not want."""

    async def last_sent(self, group_no: int, kind: ForecastKind) -> Figures | None:
        """What was sent last of a group and kind."""

    async def failed(self, owner: UUID, message_id: int, *, again_in_s: float | None, error: str) -> None:
        """Put a message off; without a time it is dead."""

    async def release(self, owner: UUID, message_ids: Sequence[int]) -> None:
        """Give claimed messages back untried."""

    async def enqueue_newest(self, provider_no: int) -> int:
        """Put the newest forecast of each group and kind of a provider into the outbox; gives how many."""


class Requests(Protocol):
    """What providers ask for, and what they cannot keep."""

    async def connection(self, provider_no: int, group_id: str) -> Connection | None:
        """A group of that provider; None: it has no such group (whether another has is not told)."""

    async def connections(self, provider_no: int) -> list[Connection]:
        """All groups of that provider."""

    async def add_request(self, provider_no: int, request: CapacityRequest, at: datetime) -> int | None:
        """Record a request, durable when this returns; None: it was there already.

        Raises:
            Conflict: another request has the same id.
        """

    async def connections_asked(self, asked: Sequence[tuple[bytes, str]]) -> list[Connection | None]:
        """As `connection`, of several providers, by their tokens, and their groups."""

    async def add_requests(self, asked: Sequence[tuple[int, CapacityRequest]], at: datetime) -> list[int | None]:
        """Record requests of providers in this order, durable when this returns; None for each that `add_request` has
        to look at: it may have come before.  No two have the same id, or are of one group and kind."""

    async def add_complaint(self, provider_no: int, complaint: Complaint, at: datetime) -> bool:
        """Record that a provider cannot keep a forecast; False: it was there already."""


class UsageIntake(Protocol):
    """Where reports of providers become durable."""

    async def add_messages(self, messages: Sequence[UsageMessage], at: datetime) -> list[Verdict]:
        """Record messages, all in one commit; a verdict for each."""


class Usage(Protocol):
    """What providers report, as it came and as readings."""

    async def unsettled(self, limit: int) -> list[UnsettledMessage]: ...

    async def add_readings(self, rows: Sequence[NewReading], messages: Sequence[int], at: datetime) -> set[int]:
        """Record readings, and their messages as settled; gives the messages that nobody else has settled meanwhile."""

    async def readings(self, group_no: int, start: datetime, end: datetime) -> list[tuple[int, Reading, str | None]]:
        """Number, reading and verdict of what was measured in [start, end), but for those with a fault."""

    async def judge(self, verdicts: Sequence[tuple[int, str | None]]) -> None:
        """Quarantine readings, or (None) take them out of it."""

    async def connections(self, group_nos: Sequence[int]) -> dict[int, Connection]: ...

    async def known_usage(self, group_no: int, window: Window) -> Watts:
        """What is known of a group's use, shape (3, quarters), NaN where nothing is."""

    async def add_usage(self, group_no: int, first_quarter: int, load_w: Watts, available_at: datetime) -> None:
        """Record use of shape (3, quarters); a later record corrects an earlier one."""

    async def count(self, group_no: int, at: datetime, counts: dict[str, int]) -> None: ...
