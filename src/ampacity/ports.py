"""What the operations need of the outside world."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import LoadForecast, Weather
from ampacity.forecasting.quality import ForecastScore
from ampacity.network import Direction, ForecastKind, Network
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
from ampacity.people import LimitChange
from ampacity.timegrid import Window

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Subject = Literal["element", "group"]
JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject = Mapping[str, JsonValue]


class Clock(Protocol):
    """What time it is, aware UTC: of the data, or of the wall."""

    def __call__(self) -> datetime: ...


class Series(Protocol):
    """A window of loads: `load_w` (N, 3, T) [W], NaN where nothing is given."""

    @property
    def window(self) -> Window: ...
    @property
    def load_w(self) -> NDArray[np.float32]: ...


class WeatherRows(Protocol):
    """Weather as it came, a row for each place, time and issue; (N,) arrays."""

    @property
    def available_at(self) -> NDArray[np.datetime64]: ...  # NaT: unknown
    @property
    def valid_at(self) -> NDArray[np.datetime64]: ...
    @property
    def latitude(self) -> Floats: ...
    @property
    def longitude(self) -> Floats: ...
    @property
    def temperature_c(self) -> Floats: ...
    @property
    def global_radiation_w_m2(self) -> Floats: ...
    @property
    def wind_speed_m_s(self) -> Floats: ...


class WeatherSource(Protocol):
    """Where weather comes from; places are (latitude, longitude) [degrees]."""

    async def forecast(self, places: Sequence[tuple[float, float]], now: datetime) -> WeatherRows:
        """The newest forecast.

        Raises:
            Unreachable, Refused: it does not answer, or refuses.
        """
        ...

    async def forecast_of_the_day_before(
        self, places: Sequence[tuple[float, float]], first: date, last: date
    ) -> WeatherRows:
        """For past days what had been forecast a day before.

        Raises:
            Unreachable, Refused: as `forecast`.
        """
        ...


class Input(Protocol):
    """A checked input: a grid and its series, in the order of the grid's records."""

    @property
    def network(self) -> Network: ...
    @property
    def measurements(self) -> Series: ...
    @property
    def group_measurements(self) -> Series: ...
    @property
    def weather(self) -> WeatherRows: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import changed."""

    records_added: int
    records_changed: int
    values_added: int
    values_corrected: int
    weather_added: int

    @property
    def is_nothing(self) -> bool:
        return not any(
            (
                self.records_added,
                self.records_changed,
                self.values_added,
                self.values_corrected,
                self.weather_added,
            )
        )


class GridStore(Protocol):
    """The grid and its series."""

    async def take_in(self, given: Input, corrected_at: datetime) -> Imported:
        """Store an input, all of it or nothing; what is stored already is left as it is.

        A value that differs from the stored one is kept beside it, as known from `corrected_at` on.

        Raises:
            Unsuitable: with what is stored it would be no grid, or weather contradicts what is stored.
        """
        ...

    async def measure(
        self, subject: Subject, first_no: int, window: Window, load_w: Floats, known_at: datetime
    ) -> None:
        """Store new values [W], shape (subjects, 3, T)."""
        ...

    async def network(self) -> Network:
        """The grid as it is now; an index is the stored number."""
        ...

    async def limit_changes(self, window: Window, known_at: datetime) -> Sequence[LimitChange]:
        """Limits that people set and that touch a window, as known at a moment, in the order in which they were set."""
        ...

    async def version(self) -> "GridVersion":
        """The newest change of the grid."""
        ...

    async def loads(self, subject: Subject, numbers: range, window: Window, known_at: datetime) -> Floats:
        """Mean power [W], shape (subjects, 3, T); NaN where nothing was known."""
        ...

    async def load_span(self, subject: Subject = "element") -> Window | None:
        """The window that holds all stored values; None where there is none."""
        ...

    async def take_in_weather(self, rows: WeatherRows) -> int:
        """Store weather, each issue beside those before; gives how many values were new.

        Raises:
            Unsuitable: it contradicts what is stored for the same place, time and issue.
        """
        ...

    async def newest_block(self, before_quarter: int) -> int:
        """The newest stored block with values of before a quarter; it grows when late or corrected ones come in."""
        ...

    async def weather(self, window: Window, known_at: datetime) -> Weather:
        """Weather of all cells as it was known at a moment, on start-stamped quarters."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A run of equal steps: `count` of them, each `quarters` long, from quarter `first` on."""

    first: int
    count: int
    quarters: int = 1


@dataclass(frozen=True, slots=True)
class GridVersion:
    """How many changes of elements and of contracts were known."""

    element_changes: int
    contract_changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTable:
    """Capacities of one kind for groups 0..G-1: `capacity_w` (G, S) [W], `bound_by` (G, S) element number."""

    kind: ForecastKind
    steps: Steps
    capacity_w: Floats
    bound_by: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """A decided cycle."""

    slot: datetime
    decision_id: int
    made_at: datetime
    summary: JsonObject
    stages: Mapping[str, float]


class DecisionWriter(Protocol):
    """Writes one decision; nothing of it is there before all of it is."""

    @property
    def decision_id(self) -> int: ...

    async def close_gate(self) -> None:
        """Until this decision is there, nobody decides on requests."""
        ...

    async def forecast(self, first_no: int, forecast: LoadForecast, levels: Sequence[float]) -> None:
        """Keep these quantiles of the forecast of a block of elements."""
        ...

    async def headroom(self, direction: Direction, steps: Steps, headroom_w: Floats, *, fallback: bool = False) -> None:
        """Per element, phase and step [W], shape (E, 3, S)."""
        ...

    async def pool(self, direction: Direction, steps: Steps, pool_w: Floats) -> None:
        """The part of the headroom kept back for requests [W], shape (E, 3, S)."""
        ...

    async def rests_on(
        self, grid: GridVersion, need_wh: Floats | None = None, need_cap_w: Floats | None = None
    ) -> None:
        """Note what the decision rests on, so that it can be computed again.

        Raises:
            Conflict: the grid has changed since; nothing is written.
        """
        ...

    async def capacities(self, table: CapacityTable, groups: Sequence[int] | None = None) -> None:
        """Capacities of all groups, or of the numbered ones (rows in that order)."""
        ...

    async def send(self, kind: ForecastKind, groups: Sequence[int], correlation_id: str | None = None) -> int:
        """Put the messages of these groups into the outbox; gives how many."""
        ...

    async def finish(self, summary: JsonObject, stages: Mapping[str, float]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """A stored forecast model of a block: fitted at one time, having learnt from its errors until another."""

    elements: int
    made_at: datetime
    fitted_at: datetime


class CycleStore(Protocol):
    """Slots, decisions and models."""

    async def claim_cycle(self, slot: datetime, holder: UUID, lease: timedelta) -> bool:
        """Take a slot on; false where another one holds it or it is decided."""
        ...

    async def release_cycle(self, slot: datetime, holder: UUID) -> None: ...

    async def decided_cycle(self, slot: datetime) -> CycleRecord | None: ...

    async def last_cycle(self) -> CycleRecord | None: ...

    def decide_cycle(
        self, slot: datetime, holder: UUID, made_at: datetime, settings: JsonObject
    ) -> AbstractAsyncContextManager[DecisionWriter]:
        """Open the decision of a claimed slot; Conflict where another one decided it meanwhile."""
        ...

    async def newest_capacities(self, groups: int, made_before: datetime) -> Mapping[ForecastKind, CapacityTable]:
        """What the newest decision says of each kind."""
        ...

    async def renew_cycle(self, slot: datetime, holder: UUID, lease: timedelta) -> None:
        """Hold a claimed slot for longer."""
        ...

    async def models(self, at: datetime) -> Mapping[int, KeptModel]:
        """The newest model of each block, by the number of its first element."""
        ...

    async def model(self, first_no: int, at: datetime) -> bytes | None: ...

    async def keep_model(
        self, first_no: int, elements: int, made_at: datetime, fitted_at: datetime, state: bytes
    ) -> None: ...

    async def fallback_made_at(self, before: datetime) -> datetime | None:
        """When the newest fallback was decided, at or before a time."""
        ...


class ForecastQuality(Protocol):
    """Forecasts of decided cycles, and their scores."""

    async def unscored_slots(self, since: datetime, before: datetime) -> list[datetime]:
        """The cycles to score between two times: the first of every six hours that has no score yet."""
        ...

    def forecasts_of(self, slot: datetime) -> AsyncIterator[tuple[int, LoadForecast]]:
        """What a cycle forecast: the number of a block's first element and its quantiles."""
        ...

    async def keep_score(self, slot: datetime, first_no: int, score: ForecastScore) -> None: ...

    async def scores(self, since: datetime) -> list[tuple[int, ForecastScore]]:
        """All scores of cycles from a time on, with the number of each block's first element."""
        ...


@dataclass(frozen=True, kw_only=True)
class Held:
    """What requests decided before let groups hold [W], (G, T); NaN where there is none."""

    granted_w: Floats  # at least this
    returned_w: Floats  # at most this

    @classmethod
    def nothing(cls, groups: int, quarters: int) -> "Held":
        none = np.full((groups, quarters), np.nan, np.float32)
        return cls(granted_w=none, returned_w=none.copy())


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

    async def outcome(self, outcome: RequestOutcome, at: datetime) -> None: ...

    async def reserve(
        self, direction: Direction, window: Window, room_w: Floats, given_w: Floats, at: datetime
    ) -> None:
        """Enter in the ledger what is given beyond what was held, (E, 3, T) each [W].

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
    """Writes an emergency decision."""

    async def impose(self, emergency: Emergency, at: datetime, reason: str) -> None: ...

    async def revoke(self, kind: ForecastKind, groups: Sequence[int], at: datetime, reason: str) -> None:
        """Note for the running grants of these groups that they were cut."""
        ...


class Gate(Protocol):
    """An open gate: nobody else decides on requests in the trees that it locks."""

    async def lock_tree(self, root_no: int) -> bool:
        """Be the only one to decide in the tree of a root; false where somebody else does."""
        ...

    async def waiting(self) -> Sequence[WaitingRequest]: ...

    async def headroom(self, direction: Direction, made_before: datetime) -> tuple[Window, Floats] | None:
        """Headroom of the newest cycle [W], (E, 3, T) over its window; None where there is no cycle."""
        ...

    async def capacities(self, groups: int, made_before: datetime) -> Mapping[ForecastKind, CapacityTable]: ...

    def decide(self, made_at: datetime, settings: JsonObject) -> AbstractAsyncContextManager[RequestWriter]: ...

    def impose(self, made_at: datetime) -> AbstractAsyncContextManager[EmergencyWriter]: ...


class RequestStore(Protocol):
    """What providers asked for."""

    async def held(self, kind: ForecastKind, groups: int, window: Window) -> Held:
        """What decided requests let groups hold in a window."""
        ...

    async def follow(self, at: datetime) -> int:
        """Note what has happened to decided requests by now: published, active, released, expired; gives how many."""
        ...

    async def emergencies(self, at: datetime) -> Sequence[Emergency]:
        """What is imposed at a time."""
        ...

    def gate(self, *, alone: bool = False) -> AbstractAsyncContextManager[Gate]:
        """Decide in one transaction; `alone`: on all trees."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A stored decision and what it rested on beside its own blocks."""

    decision_id: int
    kind: str  # cycle, request, emergency, override
    made_at: datetime
    settings: JsonObject
    summary: JsonObject
    rule: str
    rule_version: int
    grid: GridVersion
    decisions_up_to: int  # the newest decision that it knew, by its place in the chain
    need_wh: Floats | None  # (G,)
    need_cap_w: Floats | None  # (G * T,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCapacities:
    """One stored block of capacities: the groups from `first_no` on; arrays (groups, steps)."""

    kind: ForecastKind
    first_no: int
    steps: Steps
    capacity_w: NDArray[np.float32]
    bound_by: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A decision that is not what was chained."""

    seq: int
    decision_id: int
    content_changed: bool
    link_broken: bool


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest place in the chain; who notes its hash elsewhere can prove what was decided before."""

    seq: int
    decision_id: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """What a provider asked for in a time, what it came to, and how long it waited for the answer."""

    provider_no: int
    asked: int
    granted: int
    partly: int
    refused: int
    returned: int
    revoked: int
    median_answer_s: float | None
    slowest_answer_s: float | None


class DecisionRecords(Protocol):
    """Decisions of the past, with their inputs as of then."""

    async def cycle_slots(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Decided quarter hours in [start, end)."""
        ...

    async def answer_counts(self, start: datetime, end: datetime) -> Sequence[AnswerCounts]:
        """Requests received in [start, end), by provider."""
        ...

    async def decision(self, decision_id: int) -> DecisionRecord:
        """A decision; NotFound where there is none."""
        ...

    async def network_at(self, grid: GridVersion) -> Network:
        """The grid as it was known."""
        ...

    async def headroom(self, decision_id: int, name: str) -> tuple[Steps, Floats] | None:
        """Headroom `import`, `export`, or either after `fallback_` or `pool_` [W], (E, 3, S)."""
        ...

    async def headroom_base(self, decisions_up_to: int, made_before: datetime) -> int | None:
        """The decision whose headroom held."""
        ...

    async def median(self, decision_id: int, quarters: int) -> Floats:
        """Median of the load that a decision was made with [W], (E, 3, quarters)."""
        ...

    async def held_at(self, kind: ForecastKind, groups: int, window: Window, decisions_up_to: int) -> Held: ...

    async def capacities_at(
        self, groups: int, made_before: datetime, decisions_up_to: int | None
    ) -> Mapping[ForecastKind, CapacityTable]: ...

    async def requests(self, numbers: Sequence[int]) -> Sequence[WaitingRequest]:
        """Requests by their numbers, in that order."""
        ...

    async def stored(self, decision_id: int) -> Sequence[StoredCapacities]: ...

    async def broken_links(self, from_seq: int = 1) -> Sequence[BrokenLink]:
        """The first decisions whose content or place in the chain was changed."""
        ...

    async def chain_head(self) -> ChainHead | None: ...

    async def newest(self, count: int, up_to: int = 2**62) -> Sequence[int]:
        """Numbers of the newest decisions, newest first."""
        ...


class ConnectedPeers(Protocol):
    """Who can be told something now."""

    async def connected_providers(self) -> Collection[int]:
        """Numbers of the providers whose peer is connected."""
        ...


# --- peers


class Peers(Protocol):
    """Sessions, and the tokens that we issued."""

    async def caller(self, token_hash: bytes) -> Caller | None:
        """Who holds this token; None: nobody (any more)."""

    async def peer(self, provider_no: int) -> Peer | None: ...

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

    async def waiting(self) -> list[int]:
        """Connected providers that have something due."""

    async def claim(
        self, provider_no: int, owner: UUID, *, limit: int, lease_s: float, supersede: bool = True
    ) -> list[OutboundForecast]:
        """Take the first due messages of a provider, in order per (group, kind); before that, older unsent ones
        are superseded, which looks at all that waits."""

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
