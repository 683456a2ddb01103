"""What the operations behind the console need of the outside world: a second page of ports."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.network import Direction, ForecastKind
from ampacity.people import Account, Act, LimitChange, NewAct, NewLimit, Role, SignedIn
from ampacity.ports import Floats, Ints, JsonObject, Steps
from ampacity.timegrid import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """What a view rests on: the newest cycle, the newest decision of any kind, and the state of the grid."""

    decision_id: int
    slot: datetime
    made_at: datetime
    latest_id: int  # of any kind, at or after the cycle's
    first_quarter: int
    horizon: int
    power_factor: float
    risk: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The machine in a line; times of `slot` by the data's clock, the others by the wall's."""

    slot: datetime | None
    decided_at: datetime | None  # when the newest cycle was recorded
    took_s: float | None
    missed_slots: int  # in the last 24 h
    outbox_waiting: int
    outbox_oldest_at: datetime | None
    outbox_dead: int
    requests_waiting: int
    oldest_request_at: datetime | None
    limits_proposed: int
    limits_holding: int
    newest_load_quarter: int | None
    peers: Mapping[str, int]  # sessions by state


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptForecast:
    """Quantiles that a decision kept, of one element: `load_w` (Q, 3, T) [W]."""

    decision_id: int
    made_at: datetime
    window: Window
    levels: tuple[float, ...]
    load_w: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCapacity:
    """What a decision gave one group: `capacity_w` (S,) [W]."""

    decision_id: int
    decision_kind: str
    made_at: datetime
    group_no: int
    steps: Steps
    capacity_w: Floats
    bound_by: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A capacity forecast that was, or is to be, sent; times by the wall's clock."""

    message_id: int
    decision_id: int
    decision_kind: str
    kind: ForecastKind
    group_no: int
    group_id: str
    provider_id: str
    made_at: datetime
    correlation_id: str | None
    created_at: datetime
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    superseded_at: datetime | None
    dead_at: datetime | None
    last_error: str | None

    @property
    def state(self) -> str:
        if self.sent_at is not None:
            return "sent"
        if self.dead_at is not None:
            return "dead letter"
        return "superseded" if self.superseded_at is not None else "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLine:
    """A provider's request in one line."""

    request_no: int
    request_id: str
    provider_id: str
    group_no: int
    group_id: str
    kind: ForecastKind
    received_at: datetime
    first_quarter: int
    wanted_w: Floats
    step: str | None  # None: it waits
    reason: str
    decided_at: datetime | None
    decision_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A step in the life of a request."""

    step: str
    at: datetime
    recorded_at: datetime
    decision_id: int | None
    reason: str
    detail: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """What a decided request lets its group hold."""

    is_return: bool
    first_quarter: int
    held_w: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLine:
    """A slot with what became of it."""

    slot: datetime
    attempts: int
    decision_id: int | None
    recorded_at: datetime | None
    summary: JsonObject | None
    stages: Mapping[str, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLine:
    """A provider with what waits for it."""

    provider_no: int
    provider_id: str
    name: str
    groups: int
    waiting: int
    oldest_waiting_at: datetime | None
    dead: int
    state: str  # of its session
    state_since: datetime | None
    offline_mode_at: datetime | None  # until then its last heartbeat reaches
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which lines of the audit log; empty: all."""

    who: str = ""
    about: str = ""
    words: str = ""
    since: datetime | None = None
    until: datetime | None = None
    decisions: bool = True


class Views(Protocol):
    """Reads for those who look; nothing here changes anything."""

    async def status(self, now: datetime) -> Status: ...

    async def newest(self, now: datetime) -> Newest | None: ...

    async def grid_revision(self) -> tuple[int, ...]:
        """Changes whenever the grid does."""
        ...

    async def headroom(
        self, direction: Direction, elements: int, made_before: datetime
    ) -> tuple[Window, Floats] | None:
        """Headroom that holds now [W], (E, 3, T): the newest cycle's with what was decided on top of it."""
        ...

    async def forecast_sources(self, decision_id: int, elements: int) -> NDArray[np.uint8]:
        """What the forecast of each element and phase rests on, (E, 3)."""
        ...

    async def kept_forecasts(self, element_no: int, since: datetime, until: datetime) -> Sequence[KeptForecast]:
        """The quantiles of an element in the cycles made in [since, until], oldest first."""
        ...

    async def kept_capacities(
        self, groups: Sequence[int], kind: ForecastKind, since: datetime, until: datetime
    ) -> Sequence[KeptCapacity]:
        """What these groups were given by decisions made in [since, until], oldest first."""
        ...

    async def element_headroom(
        self, direction: Direction, element_no: int, since: datetime, until: datetime
    ) -> Sequence[tuple[datetime, Window, Floats]]:
        """An element's headroom (3, T) in the decisions made in [since, until], oldest first."""
        ...

    async def messages(
        self, *, group_no: int | None, provider_no: int | None, state: str | None, limit: int
    ) -> Sequence[SentMessage]: ...

    async def requests(
        self, *, group_no: int | None, waiting: bool | None, limit: int, offset: int
    ) -> tuple[Sequence[RequestLine], int]:
        """Requests, those that wait first, then the newest; and how many there are."""
        ...

    async def request(self, request_no: int) -> tuple[RequestLine, Sequence[RequestEvent], Sequence[HeldBy]] | None: ...

    async def providers(self) -> Sequence[ProviderLine]: ...

    async def cycles(self, until: datetime, limit: int) -> Sequence[CycleLine]: ...

    async def audit(self, wanted: AuditFilter, limit: int, offset: int) -> Sequence[Act]: ...

    async def decision(self, decision_id: int) -> Mapping[str, object] | None:
        """Kind, times, settings and summary of a decision."""
        ...


class DeadLetters(Protocol):
    """Messages that were given up."""

    async def revive(self, provider_no: int) -> int:
        """Send them again; gives how many."""
        ...


class LimitStore(Protocol):
    """Limits that people set."""

    async def limits(self, *, element_no: int | None, ends_after: datetime | None) -> Sequence[LimitChange]: ...

    async def limit(self, limit_no: int) -> LimitChange | None: ...

    async def set_limit(self, new: NewLimit, by: int, at: datetime) -> int: ...

    async def answer_limit(self, limit_no: int, step: str, by: int, at: datetime) -> None:
        """Confirm, refuse or withdraw.

        Raises:
            Conflict: it was answered already.
            Refused: it would be confirmed by the one who set it.
        """
        ...


class PeopleStore(Protocol):
    """Accounts, sessions and what people did; times are the wall's."""

    async def accounts(self) -> Sequence[Account]: ...

    async def password_hash(self, name: str) -> tuple[Account, str | None] | None: ...

    async def add_account(
        self, name: str, full_name: str, role: Role, password_hash: str | None, oidc_subject: str | None
    ) -> int:
        """Conflict where the name is taken."""
        ...

    async def change_account(
        self, account_no: int, *, role: Role, full_name: str, password_hash: str | None, closed_at: datetime | None
    ) -> None:
        """Set what is known of a person; no password hash leaves it as it is.  A closed account's sessions end."""
        ...

    async def account_of_subject(self, oidc_subject: str) -> Account | None: ...

    async def failures(self, name: str, address: str, since: datetime) -> tuple[int, int]:
        """Failed attempts since then for a name since its last success, and from an address."""
        ...

    async def note_attempt(self, name: str, address: str, at: datetime, *, succeeded: bool) -> None: ...

    async def start_session(self, token_hash: bytes, account_no: int, at: datetime, ends_at: datetime) -> None: ...

    async def session(self, token_hash: bytes, now: datetime, idle_since: datetime) -> SignedIn | None: ...

    async def end_session(self, token_hash: bytes, at: datetime) -> None: ...

    async def record(self, who: SignedIn | str, act: NewAct, at: datetime) -> None: ...


class Changes(Protocol):
    """Tells when something changed."""

    def subscribe(self) -> AsyncIterator[str | None]:
        """Topics as they come, as in decision:17; None from time to time while nothing does."""
        ...


class IdentityProvider(Protocol):
    """Somebody else who knows who people are (OpenID Connect)."""

    async def start(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """The address to which the browser goes."""
        ...

    async def finish(self, redirect_uri: str, code: str, nonce: str, verifier: str) -> Mapping[str, object]:
        """The claims of the person who came back.

        Raises:
            Unauthorised: the provider's answer does not prove who it is.
            Unreachable: the provider does not answer as it should.
        """
        ...
