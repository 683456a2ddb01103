"""Where the pages of the console are read from, and where what people do is kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.console_ports.lines import (
    AuditFilter,
    ComplaintLine,
    CycleLine,
    HeldBy,
    KeptCapacity,
    KeptForecast,
    Newest,
    ProviderLine,
    RequestEvent,
    RequestLine,
    SentMessage,
    Status,
)
from ampacity.network import Direction, ForecastKind
from ampacity.people import Account, Act, LimitChange, NewAct, NewLimit, Role, SignedIn
from ampacity.ports import Floats
from ampacity.timegrid import Window


class Views(Protocol):
    """Reads for those who look; nothing here changes anything."""

    async def status(self, now: datetime) -> Status: ...

    async def newest(self, now: datetime) -> Newest | None: ...

    async def grid_revision(self) -> tuple[int, ...]:
        """Changes whenever the grid does."""
        ...

    async def headroom(
        self, direction: Direction, elements: range, made_before: datetime
    ) -> tuple[Window, Floats] | None:
        """Headroom of elements that holds now [W], (E, 3, T): the newest cycle's with what was decided on top of it.

        NaN where an element came after that; None where nothing is known of any of them.
        """
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

    async def provider_states(self) -> Mapping[str, str]:
        """The state of each provider's session."""
        ...

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


class Complaints(Protocol):
    """What providers say they cannot keep."""

    async def complaints(self, *, group_no: int | None, only_open: bool, limit: int) -> Sequence[ComplaintLine]:
        """Open ones first, then the newest."""
        ...

    async def complaint(self, error_no: int) -> ComplaintLine | None: ...

    async def acknowledge(self, error_no: int, account_no: int, note: str, at: datetime) -> None:
        """Conflict where it was acknowledged already."""
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

    def subscribe(self, most_waiting: int = 100) -> AsyncIterator[str | None]:
        """Topics as they come, as in decision:17; None from time to time while nothing does.

        Of who is slow to look no more than so many wait: what came after them is left out.
        """
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
