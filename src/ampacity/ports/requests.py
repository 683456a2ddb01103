"""What is asked for, what is held, and the gates at which that is decided."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from ampacity.network import Direction, ForecastKind
from ampacity.ports.decisions import CapacityTable, DecisionWriter
from ampacity.ports.values import Floats, Ints, JsonObject, Steps
from ampacity.timegrid import Window


@dataclass(frozen=True, kw_only=True)
class Held:
    """What requests decided before let groups hold [W], (G, T); NaN where there is none."""

    granted_w: Floats  # at least this
    returned_w: Floats  # at most this

    @classmethod
    def nothing(cls, groups: int, quarters: int) -> "Held":
        none = np.full((groups, quarters), np.nan, np.float32)
        return cls(granted_w=none, returned_w=none.copy())

    def lay(self, newly: "NewlyHeld", first_quarter: int) -> Ints:
        """Lay the newest word on some quarters over what was held, in place; gives the places of these quarters.

        `first_quarter` is that of the arrays; what is said of quarters outside them is left.
        """
        start, end = first_quarter, first_quarter + self.granted_w.shape[1]
        begin, stop = max(newly.first_quarter, start), min(newly.first_quarter + len(newly.held_w), end)
        said_w = newly.held_w[begin - newly.first_quarter : max(begin, stop) - newly.first_quarter]
        says = np.flatnonzero(~np.isnan(said_w))
        places: Ints = begin - start + says
        into, other = self.granted_w, self.returned_w
        if newly.is_return:
            into, other = other, into
        into[newly.group_no, places] = said_w[says]
        other[newly.group_no, places] = np.nan
        return places


@dataclass(frozen=True, slots=True, kw_only=True)
class NewlyHeld:
    """What a decided request lets a group hold at least, or at most where it gave back."""

    group_no: int
    is_return: bool
    first_quarter: int
    held_w: Floats  # (quarters,) [W]; NaN where it says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """That an operator was asked about a request: until when, and the answer, None where there is none yet."""

    until: datetime
    is_given: bool | None
    reason: str

    def is_awaited(self, now: datetime) -> bool:
        """Whether the request waits for an answer; after its time the rule decides."""
        return self.is_given is None and now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedConsent:
    """A request that waits for an operator, as a person reads it; `rise_w` is the most that it asks for in addition."""

    request_no: int
    request_id: str
    provider_id: str
    group_id: str
    kind: ForecastKind
    received_at: datetime
    first_quarter: int
    wanted_w: Floats
    rise_w: float
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """A provider's request that waits for a decision: `wanted_w` (quarters,) [W], NaN where nothing is asked."""

    request_no: int
    group_no: int
    kind: ForecastKind
    request_id: str
    received_at: datetime
    first_quarter: int
    wanted_w: Floats
    repeats: tuple[str, ...] = ()  # further ids under which it came, to be answered as well
    consent: Consent | None = None  # of an operator, where one was asked

    @property
    def end_quarter(self) -> int:
        return self.first_quarter + len(self.wanted_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGrant:
    """What a decided request lets its group hold: `held_w` (quarters,) [W], NaN where it says nothing."""

    request_no: int
    request_id: str
    group_no: int
    kind: ForecastKind
    first_quarter: int  # in which it was decided
    held_w: Floats

    @property
    def end_quarter(self) -> int:
        return self.first_quarter + len(self.held_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome:
    """What a request came to; `held_w` (quarters,) from `first_quarter` on, NaN where it says nothing."""

    request: WaitingRequest
    step: str  # granted, partly, refused, returned
    reason: str
    detail: JsonObject
    first_quarter: int
    granted_w: Floats  # at least this from now on
    returned_w: Floats  # at most this


class RequestWriter(DecisionWriter, Protocol):
    """Writes a decision on requests."""

    async def outcomes(self, outcomes: Sequence[RequestOutcome], at: datetime) -> None: ...

    async def answer(self, kind: ForecastKind, answers: Sequence[tuple[int, str]]) -> None:
        """Send to groups what they hold now, each time as the answer to a message."""
        ...

    async def send_later(self, kind: ForecastKind, groups: Sequence[int], wait_s: float) -> None:
        """Send to groups what they hold, `wait_s` from now [s] at the latest.

        What waits for a group already, untried and no answer, says this then, and goes when it would have gone.
        """
        ...

    async def reserve(
        self, direction: Direction, quarters: Ints, room_w: Floats, given_w: Floats, at: datetime, elements: Ints
    ) -> None:
        """Enter in the ledger what is given beyond what was held [W], (E, 3, Q), of these elements (E,), quarters (Q,).

        Raises:
            Conflict: together with what others were given it exceeds the headroom; nothing is written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Emergency:
    """What an operator imposed on an element: active power in either direction, all phases together."""

    element_no: int
    limit_w: float
    until: datetime


class EmergencyWriter(DecisionWriter, Protocol):
    """Writes a decision on a limit: an emergency, or an override that counts at once."""

    async def impose(self, emergency: Emergency, at: datetime, reason: str, limit_no: int | None = None) -> None:
        """Keep what is imposed; `limit_no` names the limit of a person that it came from."""
        ...

    async def revoke(self, kind: ForecastKind, groups: Sequence[int], at: datetime, reason: str) -> None:
        """Note for the running grants of these groups that they were cut."""
        ...


class Gate(Protocol):
    """An open gate: nobody else decides on requests in the trees that it locks."""

    async def lock_tree(self, root_no: int) -> bool:
        """Be the only one to decide in the tree of a root; false where somebody else does."""
        ...

    async def decided_at(self, now: datetime) -> datetime:
        """Now, or when the newest decision was made where a clock that goes ahead a little made it."""
        ...

    async def waiting_groups(self) -> Sequence[tuple[int, ForecastKind]]:
        """The numbers of the groups of whom a request waits, and of which kind."""
        ...

    async def waiting(self, groups: Sequence[int], kind: ForecastKind) -> Sequence[WaitingRequest]:
        """What waits of a kind, in the order in which it came; no more than 100 requests of a group."""
        ...

    async def instant(self, kind: ForecastKind, since: datetime) -> Mapping[int, float]:
        """What groups were given without waiting for a gate since a time [W], by the group's number."""
        ...

    async def defer(self, request_no: int, at: datetime, detail: JsonObject) -> None:
        """Ask an operator about a request; `detail` says until when."""
        ...

    async def headroom(
        self, direction: Direction, made_before: datetime, elements: Ints | None = None
    ) -> tuple[Window, Floats] | None:
        """Headroom of the newest cycle [W], (E, 3, T) over its window, of all elements or of these (E,), which ascend;
        None where there is no cycle.
        """
        ...

    async def fallback_headroom(self, direction: Direction, made_before: datetime) -> tuple[Steps, Floats] | None:
        """Headroom under the newest fallbacks [W], (E, 3, S); None where there are none."""
        ...

    async def capacities(self, groups: int, made_before: datetime) -> Mapping[ForecastKind, CapacityTable]: ...

    async def capacities_of(self, groups: Ints, kind: ForecastKind, made_before: datetime) -> CapacityTable | None:
        """The capacities of one kind that hold for these groups (G,), which ascend; None where there are none."""
        ...

    def decide(self, made_at: datetime, settings: JsonObject) -> AbstractAsyncContextManager[RequestWriter]: ...

    def impose(self, made_at: datetime, kind: str = "emergency") -> AbstractAsyncContextManager[EmergencyWriter]:
        """Open a decision of this kind: emergency, or override."""
        ...


class RequestStore(Protocol):
    """What providers asked for."""

    async def newly_held(self, kind: ForecastKind, window: Window, after: int, up_to: int) -> Sequence[NewlyHeld]:
        """What requests that were decided after a place in the chain, up to another, let groups hold; in that order."""
        ...

    async def held(self, kind: ForecastKind, groups: int, window: Window, without: Collection[int] = ()) -> Held:
        """What decided requests let groups hold in a window, but for the grants of those `without`."""
        ...

    async def running_grants(self, quarter: int) -> Sequence[RunningGrant]:
        """Grants that began before a quarter and reach beyond it."""
        ...

    async def follow(self, at: datetime) -> int:
        """Note what has happened to decided requests by now: published, active, released, expired; gives how many."""
        ...

    async def for_consent(self, at: datetime) -> Sequence[AskedConsent]:
        """What waits for an operator, the most urgent first."""
        ...

    async def answer_consent(self, request_no: int, *, is_given: bool, who: str, reason: str, at: datetime) -> str:
        """Note an operator's answer; gives the group's id.

        Raises:
            NotFound: there is no such request.
            Conflict: no operator was asked, or it was answered or decided already.
        """
        ...

    async def emergencies(self, at: datetime) -> Sequence[Emergency]:
        """What is imposed at a time."""
        ...

    def gate(self, *, alone: bool = False) -> AbstractAsyncContextManager[Gate]:
        """Decide in one transaction; `alone`: on all trees."""
        ...
