"""Limits that a person sets for a time, and what an element may carry then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ampacity.timegrid import Window, quarter_at

Floats = NDArray[np.float64]


class LimitKind(StrEnum):
    """An emergency limit only lowers and holds at once; an override replaces the rating and needs a second person."""

    EMERGENCY = "emergency"
    OVERRIDE = "override"


class LimitState(StrEnum):
    """Where a limit stands."""

    PROPOSED = "waits for a second person"
    REFUSED = "refused"
    AHEAD = "starts later"
    HOLDS = "in force"
    WITHDRAWN = "withdrawn"
    LAPSED = "was never confirmed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLimit:
    """A limit to be set: `limit_w` on each phase [W] in [starts_at, ends_at)."""

    element_no: int
    kind: LimitKind
    limit_w: float
    starts_at: datetime
    ends_at: datetime
    reason: str
    at_once: bool = False  # an override that counts as soon as it is confirmed, not only from the next cycle on


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """A limit with its story; `decided_at` is when it became good, None while it waits."""

    limit_no: int
    element_no: int
    element_id: str
    kind: LimitKind
    limit_w: float
    starts_at: datetime
    ends_at: datetime
    reason: str
    at_once: bool
    set_by: str
    set_by_no: int
    set_at: datetime
    decided_at: datetime | None
    confirmed_by: str | None
    refused_at: datetime | None
    refused_by: str | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None

    @property
    def holds_from(self) -> datetime | None:
        """From when on it holds; None where nobody decided so."""
        return None if self.decided_at is None else max(self.starts_at, self.decided_at)

    @property
    def holds_until(self) -> datetime:
        return self.ends_at if self.withdrawn_at is None else min(self.ends_at, self.withdrawn_at)


def limit_state(change: LimitChange, now: datetime) -> LimitState:
    """Where a limit stands at a moment."""
    if change.refused_at is not None:
        return LimitState.REFUSED
    if change.withdrawn_at is not None:
        return LimitState.WITHDRAWN
    if change.decided_at is None:
        return LimitState.PROPOSED if now < change.ends_at else LimitState.LAPSED
    if now >= change.ends_at:
        return LimitState.ENDED
    return LimitState.HOLDS if now >= change.starts_at else LimitState.AHEAD


def effective_limit_w(rated_w: Floats, changes: Sequence[LimitChange], window: Window) -> Floats:
    """What each phase of one element may carry per quarter [W], shape (3, T).

    The newest override replaces the rating; emergencies only lower what is then left.  A limit
    counts in every quarter that it touches; a phase that the element lacks stays at 0.

    Args:
        rated_w: By the rating [W], shape (3,).
        changes: Of this element, in the order in which they were set.
    """
    limit_w = np.repeat(np.asarray(rated_w, np.float64)[:, None], window.count, axis=1)
    there = limit_w > 0
    for kind in (LimitKind.OVERRIDE, LimitKind.EMERGENCY):
        for change in (c for c in changes if c.kind is kind):
            where = _quarters(change, window)
            set_w = np.where(there[:, where], change.limit_w, 0.0)
            limit_w[:, where] = set_w if kind is LimitKind.OVERRIDE else np.minimum(limit_w[:, where], set_w)
    return limit_w


def _quarters(change: LimitChange, window: Window) -> slice:
    if change.holds_from is None or change.holds_from >= change.holds_until:
        return slice(0, 0)
    first, behind = quarter_at(change.holds_from), -((-quarter_seconds(change.holds_until)) // 900)
    start, stop = max(first - window.first, 0), min(behind - window.first, window.count)
    return slice(start, max(start, stop))


def quarter_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded up."""
    return -int(-moment.timestamp() // 1)
