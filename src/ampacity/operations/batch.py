"""What a batch of requests comes to: computed from what is held and what there is, the same when it is replayed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Decisions, Order, Requests, decide_requests
from ampacity.network import Direction, Network
from ampacity.operations.shares import KIND_OF, whole_watts
from ampacity.ports import CapacityTable, Floats, Ints, Steps, WaitingRequest
from ampacity.timegrid import Window, quarter_at

DIRECTION_OF = {kind: direction for direction, kind in KIND_OF.items()}

UNSHARED = "refused_as_they_stand"  # in the summary of a decision that shared nothing out
LEAST_GRANT_W = 70.0  # 0.1 A on three phases, the smallest step of a message


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What can still be decided: the quarters from now to the end of the newest forecast."""

    network: Network
    direction: Direction
    window: Window
    held_w: Floats  # (G, T), as it is stored
    headroom_w: Floats  # (E, 3, T), as it is stored
    table: CapacityTable

    def contract_w(self, group_no: int) -> float:
        """The contract of one group in the direction [W]."""
        group = self.network.groups[group_no]
        return group.contracted_import_w if self.direction is Direction.IMPORT else group.contracted_export_w

    def held_by(self, groups: Sequence[int]) -> NDArray[np.float64]:
        """What these groups hold [W], (G', T)."""
        return self.held_w[list(groups)].astype(np.float64)

    def held_during(self, quarters: Ints) -> NDArray[np.float64]:
        """What is held in these quarters, by their places in the window [W], (G, Q)."""
        return self.held_w[:, quarters].astype(np.float64)


def situation_of(
    network: Network, table: CapacityTable, room: tuple[Window, Floats], direction: Direction, now: datetime
) -> Situation:
    covers, headroom_w = room
    first = max(quarter_at(now), covers.first)
    window = Window(first, max(0, min(covers.end, table.steps.first + table.steps.count) - first))
    held = slice(first - table.steps.first, window.end - table.steps.first)
    return Situation(
        network=network,
        direction=direction,
        window=window,
        held_w=np.nan_to_num(table.capacity_w[:, held]),
        headroom_w=headroom_w[:, :, first - covers.first : window.end - covers.first],
        table=table,
    )


class Entitlements(Protocol):
    """What groups are entitled to, where it need not be worked out each time."""

    def during(self, situation: Situation, quarters: Ints) -> NDArray[np.float64]:
        """In these quarters, by their places in the window [W], (G, Q)."""
        ...


def room_during(situation: Situation, quarters: Ints) -> NDArray[np.float64]:
    """The headroom in these quarters, by their places in the window [W], (E, 3, Q)."""
    return situation.headroom_w[:, :, quarters].astype(np.float64)


def _decide(
    situation: Situation,
    batch: Sequence[WaitingRequest],
    wanted_w: Floats,
    quarters: Ints,
    order: Order,
    entitled: Entitlements | None,
) -> Decisions:
    """What is decided in the quarters that are asked about."""
    network = situation.network
    decisions = decide_requests(
        Requests(
            group=np.array([r.group_no for r in batch], np.int64),
            wanted_w=np.asarray(wanted_w[:, quarters], np.float64),
            all_or_nothing=np.array([network.groups[r.group_no].all_or_nothing for r in batch], bool),
        ),
        situation.held_during(quarters),
        room_during(situation, quarters),
        network.parent,
        network.element,
        np.asarray(network.phase_share, np.float64),
        np.asarray(network.contracted_w(situation.direction), np.float64),
        firm_w=np.asarray(network.firm_w(situation.direction), np.float64),
        order=order,
        entitled_w=None if entitled is None or order is not Order.FAIR else entitled.during(situation, quarters),
    )
    worst = decisions.bound_quarter
    return replace(decisions, bound_quarter=np.where(worst >= 0, np.append(quarters, -1)[worst], -1))


def asked_over(request: WaitingRequest, window: Window) -> Floats:
    """What is asked in the quarters of a window; past parts and those beyond are cut off."""
    wanted_w = np.full(window.count, np.nan)
    start = max(request.first_quarter, window.first)
    stop = min(request.first_quarter + len(request.wanted_w), window.end)
    if start < stop:
        asked = request.wanted_w[start - request.first_quarter : stop - request.first_quarter]
        wanted_w[start - window.first : stop - window.first] = asked
    return wanted_w


@dataclass(frozen=True, kw_only=True)
class DecidedBatch:
    """What a batch of requests came to; the rows of `table` are `groups`, those who asked first."""

    situation: Situation
    batch: Sequence[WaitingRequest]
    decisions: Decisions
    groups: tuple[int, ...]
    table: CapacityTable


def decide_batch(
    situation: Situation,
    batch: Sequence[WaitingRequest],
    order: Order = Order.FAIR,
    entitled: Entitlements | None = None,
) -> DecidedBatch:
    """Decide on a batch, at most one request of a group."""
    wanted_w = np.stack([asked_over(r, situation.window) for r in batch])
    quarters = np.flatnonzero((~np.isnan(wanted_w)).any(axis=0))
    decisions = _decide(situation, batch, wanted_w, quarters, order, entitled)
    asking = [r.group_no for r in batch]
    groups = (*asking, *_recalled(situation, decisions, quarters, asking))
    capacity_w, mine, others = situation.held_by(groups), slice(0, len(asking)), slice(len(asking), None)
    after_w = decisions.held_w[list(groups)]
    useful_w = _useful(capacity_w[mine, quarters], after_w[mine], wanted_w[:, quarters])
    capacity_w[:, quarters] = after_w
    capacity_w[others] = whole_watts(capacity_w[others])
    capacity_w[mine, quarters] = useful_w
    table = CapacityTable(
        kind=batch[0].kind,
        steps=Steps(first=situation.window.first, count=situation.window.count),
        capacity_w=capacity_w,
        bound_by=_bound_by(situation, groups),
    )
    return DecidedBatch(situation=situation, batch=batch, decisions=decisions, groups=groups, table=table)


def _recalled(situation: Situation, decisions: Decisions, quarters: Ints, asking: Sequence[int]) -> list[int]:
    """Groups that did not ask and lose what was lent to them, because its owners need it."""
    fell = np.flatnonzero((decisions.held_w < situation.held_during(quarters) - 1e-3).any(axis=1))
    recalled: list[int] = np.setdiff1d(fell, asking, assume_unique=True).tolist()
    return recalled


def _useful(before_w: Floats, after_w: Floats, wanted_w: Floats) -> Floats:
    """Whole watts, and more only where it is enough to be of use or all that was asked."""
    after_w = np.where(after_w != before_w, whole_watts(after_w), before_w)
    enough = after_w - before_w >= np.minimum(LEAST_GRANT_W, np.floor(wanted_w) - before_w)
    return np.where((after_w > before_w) & ~enough, before_w, after_w)


def _bound_by(situation: Situation, groups: Sequence[int]) -> NDArray[np.int32]:
    shift = situation.window.first - situation.table.steps.first
    return situation.table.bound_by[groups, shift : shift + situation.window.count]
