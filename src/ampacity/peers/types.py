"""Peers, and what is said to and by them, as records of our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ampacity.network.types import ForecastKind, PowerUnit
from ampacity.peers.session import PeerState

Watts = NDArray[np.float32]
Profile = Mapping[str, object]  # how one counterpart deviates from its protocol; only the protocol's adapter reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one side demands of the other; no interval: it wants no heartbeats."""

    heartbeat_interval_s: float | None = None
    measurements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A counterpart with its session, as stored."""

    provider_no: int
    provider_id: str
    state: PeerState
    state_since: datetime
    base_url: str | None = None
    token_sealed: bytes | None = None
    started_by: Literal["us", "them"] | None = None  # None: no exchange of tokens is running
    register_id: str | None = None  # the id of its registration that we owe a reply
    profile: Profile = field(default_factory=dict)
    demands: Behaviour = Behaviour()
    next_beat_at: datetime | None = None
    offline_mode_at: datetime | None = None
    handshake_id: str | None = None  # of the handshake that it has not acknowledged yet
    acknowledge_id: str | None = None  # of its handshake that we have not acknowledged yet
    step_at: datetime | None = None  # when to take the next step of the session
    attempts: int = 0
    last_error: str | None = None
    connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None


class TokenPurpose(StrEnum):
    """What a token that we issued is for."""

    INVITE = "invite"  # once, to register with
    PENDING = "pending"  # handed out in an exchange that is not finished
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who called, by the token it showed."""

    peer: Peer
    purpose: TokenPurpose
    token_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How a counterpart is reached."""

    provider_id: str
    base_url: str
    token: str = field(repr=False)
    profile: Profile = field(default_factory=dict)


class Outcome(StrEnum):
    """What became of a message that we sent."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # it will not be otherwise next time
    FAILED = "failed"  # try again


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The outcome of a send, with what is worth showing; `reached` tells whether the peer answered at all."""

    outcome: Outcome
    detail: str = ""
    reached: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the wire needs to know of a group: its unit, its phases and their voltage."""

    group_no: int
    group_id: str
    provider_no: int
    unit: PowerUnit
    phases: tuple[int, ...]
    phase_voltage_v: float
    contracted_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Capacities of a group in a run of steps.

    `capacity_w` has shape (steps,): the total over the group's phases [W]; a step is
    `step_quarters` quarters long, the first one starts at `first_quarter`.
    """

    first_quarter: int
    step_quarters: int
    capacity_w: Watts

    @property
    def end_quarter(self) -> int:
        return self.first_quarter + self.step_quarters * len(self.capacity_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundForecast:
    """A capacity forecast that waits to be sent; `refusal` says why, where it answers a request that was refused."""

    message_id: int
    group: Connection
    kind: ForecastKind
    request_id: str
    correlation_id: str | None
    attempts: int
    figures: Figures
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRequest:
    """What a provider asks for: the wanted total per quarter [W], shape (quarters,), NaN where it asks nothing."""

    group_id: str
    kind: ForecastKind
    request_id: str
    content_hash: bytes
    first_quarter: int
    wanted_w: Watts


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A provider cannot keep a forecast."""

    message: str
    request_id: str
    content_hash: bytes
    correlation_id: str | None
    detail: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageMessage:
    """A provider's report of use, as it came: the token it showed, and its readings as JSON in our words."""

    token_hash: bytes
    group_id: str
    request_id: str
    content_hash: bytes
    readings: bytes = field(repr=False)


class Verdict(StrEnum):
    """What became of a report."""

    ADDED = "added"
    REPEATED = "repeated"
    CONTRADICTS = "contradicts"  # another one has the same id
    NOBODY = "nobody"  # the token is not good
    TOO_EARLY = "too early"  # the peer has not registered yet
    NO_GROUP = "no group"  # the provider has no such group
