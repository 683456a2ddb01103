"""Who holds how much less or more because of one decision: for those who keep the grid, never told to providers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import element_load_w
from ampacity.console_ports import KeptCapacity, Views
from ampacity.network import ForecastKind, Network
from ampacity.operations.batch import DIRECTION_OF, DecidedBatch, decide_batch, situation_of
from ampacity.operations.element_view import in_force
from ampacity.ports import DecisionRecord, DecisionRecords, Floats, GridStore, RequestStore, WaitingRequest
from ampacity.timegrid import Window

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a decision changed for one group."""

    group_no: int
    group_id: str
    provider_id: str
    kind: ForecastKind
    more_wh: float
    less_wh: float
    most_w: float  # the greatest change in a quarter hour, negative where it fell


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRoom:
    """What an element above a group had, in the quarter hour in which it was fullest after the decision; [W]."""

    element_no: int
    element_id: str
    kind: str
    phase: int  # 1, 2, 3
    quarter: int
    headroom_w: float
    given_before_w: float
    given_after_w: float


async def effect_of(
    record: DecisionRecord, network: Network, *, records: DecisionRecords, views: Views
) -> list[Effect]:
    """What a decision between cycles changed, of all groups that it touched, those that lost most first."""
    newest = await views.newest(record.made_at)
    since = record.made_at if newest is None else newest.made_at
    effects = []
    for block in await records.stored(record.decision_id):
        groups = range(block.first_no, block.first_no + len(block.capacity_w))
        window = Window(block.steps.first, block.steps.count * block.steps.quarters)
        kept: dict[int, list[KeptCapacity]] = {g: [] for g in groups}
        for k in await views.kept_capacities(list(groups), block.kind, since, record.made_at):
            if k.decision_id == record.decision_id:
                break  # they come in the order of the chain
            kept[k.group_no].append(k)
        for g, after_w in zip(groups, block.capacity_w, strict=True):
            before_w, _ = in_force(kept[g], window)
            effects.append(_effect(network, block.kind, g, before_w, np.repeat(after_w, block.steps.quarters)))
    return _sorted(effects)


async def foresee_request(
    request: WaitingRequest, now: datetime, *, grid: GridStore, requests: RequestStore
) -> tuple[DecidedBatch, list[Effect]] | None:
    """What a request that waits would come to if it were decided now; None where it cannot be decided."""
    async with requests.gate() as gate:
        network = await grid.network()
        table = (await gate.capacities(len(network.groups), now)).get(request.kind)
        direction = DIRECTION_OF.get(request.kind)
        room = None if direction is None else await gate.headroom(direction, now)
    if table is None or direction is None or room is None:
        return None
    situation = situation_of(network, table, room, direction, now)
    decided = await asyncio.to_thread(decide_batch, situation, [request])
    effects = [
        _effect(network, request.kind, g, situation.held_by([g])[0], decided.table.capacity_w[row])
        for row, g in enumerate(decided.groups)
    ]
    return decided, _sorted(effects)


def rooms_above(batch: DecidedBatch, group_no: int) -> list[PathRoom]:
    """The elements above a group with what they had and what was given out of it, from the group up to the root."""
    situation, network = batch.situation, batch.situation.network
    share = np.asarray(network.phase_share, np.float64)
    after_held_w = np.array(situation.held_w, np.float64)
    after_held_w[list(batch.groups)] = batch.table.capacity_w
    before_w = element_load_w(np.asarray(situation.held_w, np.float64), network.parent, network.element, share)
    after_w = element_load_w(after_held_w, network.parent, network.element, share)
    asked = _asked(batch, group_no)
    rooms, e = [], int(network.element[group_no])
    while e >= 0:
        there = network.has_phase[e][:, None] & asked
        left_w = np.where(there, situation.headroom_w[e] - after_w[e], np.inf)
        phase, q = (int(i) for i in np.unravel_index(int(left_w.argmin()), left_w.shape))
        element = network.elements[e]
        rooms.append(
            PathRoom(
                element_no=e, element_id=str(element.element_id), kind=element.kind, phase=phase + 1,
                quarter=situation.window.first + q, headroom_w=float(situation.headroom_w[e, phase, q]),
                given_before_w=float(before_w[e, phase, q]), given_after_w=float(after_w[e, phase, q]),
            )
        )  # fmt: skip
        e = int(network.parent[e])
    return rooms


def _asked(batch: DecidedBatch, group_no: int) -> Bools:
    """The quarters that a group's request is about; all where none of them can be decided any more."""
    quarters = batch.situation.window.quarters()
    asked: Bools = np.zeros(len(quarters), bool)
    for r in (r for r in batch.batch if r.group_no == group_no):
        asked |= (quarters >= r.first_quarter) & (quarters < r.first_quarter + len(r.wanted_w))
    return asked if asked.any() else ~asked


def _effect(network: Network, kind: ForecastKind, group_no: int, before_w: Floats, after_w: Floats) -> Effect:
    change_w = np.nan_to_num(np.asarray(after_w, np.float64) - before_w)
    group = network.groups[group_no]
    return Effect(
        group_no=group_no,
        group_id=str(group.group_id),
        provider_id=str(group.provider_id),
        kind=kind,
        more_wh=float(change_w.clip(min=0).sum() / 4),
        less_wh=float(-change_w.clip(max=0).sum() / 4),
        most_w=float(change_w[np.abs(change_w).argmax()]) if change_w.size else 0.0,
    )


def _sorted(effects: Sequence[Effect]) -> list[Effect]:
    return sorted(effects, key=lambda e: (-e.less_wh, -e.more_wh, e.group_no))
