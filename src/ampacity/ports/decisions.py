"""What a cycle claims, writes and keeps."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import LoadForecast
from ampacity.forecasting.quality import ForecastScore
from ampacity.network import Direction, ForecastKind
from ampacity.ports.bases import BaseStore
from ampacity.ports.extremes import ExtremesStore
from ampacity.ports.grid import GridVersion
from ampacity.ports.sharing import CycleSharing
from ampacity.ports.values import Floats, Ints, JsonObject, Steps

NOTHING_TOLD = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTable:
    """Capacities of one kind for groups 0..G-1: `capacity_w` (G, S) [W], `bound_by` (G, S) element number."""

    kind: ForecastKind
    steps: Steps
    capacity_w: Floats
    bound_by: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwayGroups:
    """Groups whose provider is not connected (A of them), over the T quarters of a decision."""

    groups: Ints  # (A,) their numbers
    quarters: Ints  # (A,) for how many of the coming quarters each is taken to stay away
    told_w: Mapping[Direction, Floats]  # (A, T) what it may draw by what it was sent last [W], NaN: nothing was sent


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

    async def headroom(
        self,
        direction: Direction,
        steps: Steps,
        headroom_w: Floats,
        *,
        fallback: bool = False,
        elements: Ints | None = None,
    ) -> None:
        """Per element, phase and step [W], shape (E, 3, S): of all elements, or of the numbered ones, ascending."""
        ...

    async def pool(self, direction: Direction, steps: Steps, pool_w: Floats, elements: Ints | None = None) -> None:
        """The part of the headroom kept back for requests [W], shape (E, 3, S)."""
        ...

    async def read_headroom(self, name: str, elements: Ints, into_w: Floats) -> None:
        """What this decision wrote of `import`, `export`, or either after `pool_` or `fallback_`, (E, 3, S)."""
        ...

    async def read_median(self, elements: Ints, into_w: Floats) -> None:
        """The median of the load that this decision wrote, unknown as 0, (E, 3, T)."""
        ...

    async def withdraw(self, groups: Ints) -> None:
        """Take back capacities of groups, as they were given to `capacities`, before others are given."""
        ...

    async def rests_on(
        self, grid: GridVersion, need_wh: Floats | None = None, need_cap_w: Floats | None = None
    ) -> None:
        """Note what the decision rests on, so that it can be computed again.

        Raises:
            Conflict: the grid has changed since; nothing is written.
        """
        ...

    async def away(self, away: AwayGroups) -> None:
        """Note whose provider is not connected, and what they were told."""
        ...

    async def amend(self, table: CapacityTable, groups: Ints, changed: NDArray[np.bool_]) -> None:
        """Write capacities of groups (ascending) anew, as they were written before, where they changed, (G,)."""
        ...

    async def capacities(self, table: CapacityTable, groups: Sequence[int] | Ints | None = None) -> None:
        """Capacities of all groups, or of the numbered ones (rows in that order)."""
        ...

    async def send(self, kind: ForecastKind, groups: Sequence[int], correlation_id: str | None = None) -> int:
        """Put the messages of these groups into the outbox; gives how many."""
        ...

    async def take_back(self, kind: ForecastKind, groups: Sequence[int]) -> int:
        """Take this decision's messages of these groups out again, before it is committed; gives how many."""
        ...

    async def lapse(self, request_no: int, at: datetime, reason: str) -> None:
        """End the grant of a request because it is not used."""
        ...

    async def finish(self, summary: JsonObject, stages: Mapping[str, float]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """A stored forecast model of a block: fitted at one time, having learnt from its errors until another."""

    elements: int
    made_at: datetime
    fitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedSince:
    """A decision that was made while a cycle works."""

    seq: int  # its place in the chain
    kind: str
    is_before: bool  # whether it counts as made before the cycle, at or before its slot
    groups: Sequence[int]  # where it does: those on whom it was decided


class CycleStore(Protocol):
    """Slots, decisions and models."""

    @property
    def daily(self) -> BaseStore:
        """The daily forecasts that cycles rest on."""
        ...

    @property
    def extremes(self) -> ExtremesStore:
        """The worst loads that were seen, which fallbacks rest on."""
        ...

    @property
    def sharing(self) -> CycleSharing:
        """How servers share the blocks of a cycle."""
        ...

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

    async def newest_capacities(
        self, groups: int, made_before: datetime, kinds: Collection[ForecastKind] = tuple(ForecastKind)
    ) -> Mapping[ForecastKind, CapacityTable]:
        """What the newest decision says of these kinds."""
        ...

    async def told_until(self, kinds: Collection[ForecastKind], groups: int) -> Mapping[ForecastKind, Ints]:
        """The quarter up to which each group's provider holds its forecasts, or will when what waits is sent, (G,).

        `NOTHING_TOLD` where it holds none that can be relied on.
        """
        ...

    async def chain_length(self) -> int:
        """How many decisions there are in the chain."""
        ...

    async def decided_since(self, seq: int, slot: datetime) -> Sequence[DecidedSince]:
        """What was decided after a place in the chain, in its order; `slot` is that of the cycle that asks."""
        ...

    async def told_since(self, slot: datetime) -> Mapping[ForecastKind, Ints]:
        """Groups that requests decided after a time let be told something, by its kind, ascending."""
        ...

    async def told_after(self, seq: int) -> Mapping[ForecastKind, Ints]:
        """The same of requests decided after a place in the chain."""
        ...

    async def newest_message(self) -> int:
        """The number of the newest message of all that are committed; 0: there is none."""
        ...

    async def queued_behind(self, message_id: int) -> Mapping[ForecastKind, Ints]:
        """Groups of which others queued messages behind one, by their kind."""
        ...

    async def renew_cycle(self, slot: datetime, holder: UUID, lease: timedelta) -> None:
        """Hold a claimed slot for longer."""
        ...

    async def asked_lately(self, seconds: float) -> bool:
        """Whether somebody asked for capacity in the last seconds."""
        ...

    async def models(self, at: datetime, first_no: int | None = None) -> Mapping[int, KeptModel]:
        """The newest model of each block, or of one, by the number of its first element."""
        ...

    async def model(self, first_no: int, at: datetime) -> bytes | None: ...

    async def keep_model(
        self, first_no: int, elements: int, made_at: datetime, fitted_at: datetime, state: bytes
    ) -> bool:
        """Keep a block's model; false where one made at that moment is there already, and holds."""
        ...

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

    async def total_scores(self, since: datetime) -> ForecastScore:
        """The scores of cycles from a time on, summed over them and over all elements and phases."""
        ...

    async def element_scores(self, elements: Sequence[int], since: datetime) -> ForecastScore:
        """The scores of some elements, summed over the cycles from a time on, (…, elements, 3, lead class)."""
        ...

    async def exceeded(self, elements: Sequence[int], since: datetime) -> Mapping[int, float]:
        """The share of quarters above the upper quantile in the cycles from a time on, of elements with a score."""
        ...

    def counts_above(self, since: datetime) -> AsyncIterator[tuple[int, Floats, Floats]]:
        """Of each scored block: its first element, known quarters and quarters above the upper quantile, (E,)."""
        ...

    async def scores(self, since: datetime) -> list[tuple[int, ForecastScore]]:
        """All scores of cycles from a time on, with the number of each block's first element."""
        ...
