"""Decisions as they were stored, to be read, computed again and checked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.network import ForecastKind, Network
from ampacity.ports.decisions import AwayGroups, CapacityTable
from ampacity.ports.grid import GridVersion
from ampacity.ports.requests import Held, WaitingRequest
from ampacity.ports.values import Floats, JsonObject, Steps
from ampacity.timegrid import Window


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

    async def away(self, decision_id: int, quarters: int) -> AwayGroups | None:
        """Groups that a cycle over so many quarters planned with their fallback; None: there was none."""
        ...

    async def held_at(
        self, kind: ForecastKind, groups: int, window: Window, decisions_up_to: int, without: Collection[int] = ()
    ) -> Held:
        """What decided requests let groups hold at a place in the chain, but for the grants of those `without`."""
        ...

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
