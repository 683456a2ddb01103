"""What the pages of the console are made of, as it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.network import ForecastKind
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
    complaints: int  # that nobody acknowledged
    requests_waiting: int
    oldest_request_at: datetime | None
    limits_proposed: int
    limits_holding: int
    newest_load_quarter: int | None
    peers: Mapping[str, int]  # sessions by state


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptForecast:
    """Quantiles that a decision kept, of one element: `load_w` (Q, 3, T) [W].

    `weather_free` (1, 3, T) marks quarters that were forecast without weather; None: none was.
    """

    decision_id: int
    made_at: datetime
    window: Window
    levels: tuple[float, ...]
    load_w: Floats
    weather_free: NDArray[np.bool_] | None


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
class ComplaintLine:
    """A provider says that it cannot keep a forecast; without `kind` it did not say which."""

    error_no: int
    provider_id: str
    group_no: int | None
    group_id: str | None
    kind: ForecastKind | None
    decision_id: int | None
    message: str
    detail: object
    received_at: datetime
    acknowledged_at: datetime | None  # by the wall's clock; None: it is open
    acknowledged_by: str | None
    note: str


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
    last_heartbeat_at: datetime | None
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
