"""Decide on what providers ask for: more capacity, or less."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np

from ampacity.allocation import Order, instant_left_w
from ampacity.network import ForecastKind, Network
from ampacity.operations.batch import (
    DIRECTION_OF,
    UNSHARED,
    DecidedBatch,
    Entitlements,
    Situation,
    asked_over,
    decide_batch,
    situation_of,
)
from ampacity.operations.consent import turned_down
from ampacity.operations.entitled import KeptEntitlements
from ampacity.operations.kept_trees import KeptTrees
from ampacity.operations.outcomes import gained_w, outcome, refusal
from ampacity.operations.recalls import may_be_told_later
from ampacity.operations.reservation import Reservation, reservation_of
from ampacity.operations.settings import NegotiationSettings
from ampacity.operations.side_by_side import side_by_side
from ampacity.operations.tree_gate import TreeGate, TreeWriter
from ampacity.ports import (
    CapacityTable,
    GridStore,
    GridVersion,
    JsonObject,
    RequestStore,
    WaitingRequest,
)

_Tree: TypeAlias = tuple[int, ForecastKind]  # its root, and what is asked for there
_MOST_TURNS = 10  # of a tree in a round


async def decide_waiting(
    now: datetime, *, grid: GridStore, requests: RequestStore, rules: NegotiationSettings | None = None
) -> int:
    """Decide on every request that is due, all of a gate together; gives how many.

    Each is answered by the forecast of its group that holds from now on, changed or not,
    with the request's id as correlation.  Of several requests of a group each is decided
    on top of the one before.  What comes before the first cycle waits for it: OSCP answers a
    request with a forecast, and there is none yet.
    """
    decided = 0
    while count := await decide_round(now, grid=grid, requests=requests, rules=rules):
        decided += count
    return decided


async def decide_round(
    now: datetime,
    *,
    grid: GridStore,
    requests: RequestStore,
    rules: NegotiationSettings | None = None,
    tell: Callable[[], None] = lambda: None,
    entitled: KeptEntitlements | None = None,
    trees: KeptTrees | None = None,
    at_once: int = 2,
) -> int:
    """Decide once in each tree, on the first request of each group; gives how many were decided.

    Who comes back for more rounds lets requests gather: many in one decision take little more than one does.  Where
    a group asks for one thing after the other, its tree has a few more turns, behind those of the others.  After each
    decision `tell` is called: there are answers to be sent.  So many trees are worked on `at_once`: while the database
    works for the one the other is calculated.  `entitled` and `trees` are what to keep from round to round.
    """
    common = _Round(
        now=now, requests=requests, rules=rules or NegotiationSettings(), entitled=entitled or KeptEntitlements(),
        trees=trees or KeptTrees(), version=await grid.version(), network=await grid.network(),
    )  # fmt: skip
    turns = Counter[_Tree]()

    async def work() -> int:
        decided = 0
        while count := await _decide_tree(common, turns):
            tell()
            decided += count
        return decided

    return await side_by_side(at_once, work)


@dataclass(frozen=True, kw_only=True)
class _Round:
    """What decisions of a round have in common."""

    now: datetime
    requests: RequestStore
    rules: NegotiationSettings
    entitled: KeptEntitlements
    trees: KeptTrees
    version: GridVersion
    network: Network


async def _decide_tree(common: _Round, turns: Counter[_Tree]) -> int:
    """Decide on what is due in a tree that has a turn left, where nobody else decides; gives how many, 0: in none."""
    async with common.requests.gate() as gate:
        network = common.network
        waiting = [(g, kind) for g, kind in await gate.waiting_groups() if g < len(network.groups)]  # newer ones later
        if not waiting:
            return 0
        root_of = network.root[network.element]
        trees: dict[_Tree, list[int]] = {}
        for group_no, kind in waiting:
            trees.setdefault((int(root_of[group_no]), kind), []).append(group_no)
        for root, kind in sorted((tree for tree in trees if turns[tree] < _MOST_TURNS), key=turns.__getitem__):
            turns[root, kind] += 1
            if not await gate.lock_tree(root):
                continue
            tree = TreeGate(gate=gate, tree=common.trees.of(network, root))
            fresh = await tree.waiting(kind, trees[root, kind])
            at = await gate.decided_at(common.now)  # no decision is made before one that it rests on
            if len({r.group_no for r in fresh}) == len(fresh):
                turns[root, kind] = _MOST_TURNS
            if fresh and (count := await _decide_fresh(tree, common.version, fresh, common, now=at)):
                return count
    return 0


def _first(waiting: Sequence[WaitingRequest]) -> list[WaitingRequest]:
    """The first request of each group."""
    first: dict[int, WaitingRequest] = {}
    for request in waiting:
        first.setdefault(request.group_no, request)
    return list(first.values())


async def _decide_fresh(
    gate: TreeGate, version: GridVersion, fresh: Sequence[WaitingRequest], common: _Round, *, now: datetime
) -> int:
    """Decide on those requests of one kind in one tree that are due, and write it; gives how many."""
    rules = common.rules
    reasons = turned_down(fresh, now)
    fresh = [r for r in fresh if r.request_no in reasons or r.consent is None or not r.consent.is_awaited(now)]
    if not fresh:
        return 0
    kind = fresh[0].kind
    table = await gate.table(kind, now)
    if table is None and not await gate.is_forecast(now):
        return 0  # there is no forecast to answer with: they wait for the first cycle
    direction = DIRECTION_OF.get(kind)
    room = None if direction is None else await gate.headroom(direction, now)
    if table is None or direction is None or room is None:
        batch, why = _first(fresh), _why_undecidable(kind, table)
        return await _refuse(gate, version, batch, table, {r.request_no: why for r in batch}, now=now, rules=rules)
    if reasons:
        batch = _first([r for r in fresh if r.request_no in reasons])
        return await _refuse(gate, version, batch, table, reasons, now=now, rules=rules)
    situation = await asyncio.to_thread(situation_of, gate.network, table, room, direction, now)
    asked = await _ask_operator(gate, situation, fresh, now=now, rules=rules)
    open_ = [r for r in fresh if r.request_no not in asked]
    due = {r.request_no for r in fresh if rules.is_due(r.received_at, now)}
    had_w = await gate.instant(kind, rules.gate_opened_at(now)) if len(due) < len(fresh) else {}
    batch = [r for r in _first(open_) if r.request_no in due or _is_small(situation, r, had_w, rules)]
    if not batch:
        return 0
    async with gate.decide(now, {"order": rules.order.value}) as writer:
        await writer.rests_on(version)
        entitled = common.entitled.of(gate.root_no, direction, room[1], version)
        decided, reservation = await asyncio.to_thread(_decided, situation, batch, rules.order, entitled)
        await _write(writer, decided, reservation, due, now=now, recall_wait_s=rules.recall_wait_s)
        await writer.finish(_summary(batch))
    return len(batch)


def _decided(
    situation: Situation, batch: Sequence[WaitingRequest], order: Order, entitled: Entitlements
) -> tuple[DecidedBatch, Reservation]:
    decided = decide_batch(situation, batch, order, entitled)
    return decided, reservation_of(decided)


def _summary(batch: Sequence[WaitingRequest]) -> JsonObject:
    return {"requests": [r.request_no for r in batch], "kind": batch[0].kind.value}


def _consent_of(situation: Situation, request: WaitingRequest, rules: NegotiationSettings) -> float | None:
    """What a request asks for beyond what is held [W], where an operator has to be asked about it first."""
    if request.consent is not None or not rules.asks_operators:
        return None
    contract_w = situation.contract_w(request.group_no)
    rise_w = _rise_w(situation, request, at_most_w=contract_w)
    return rise_w if rules.needs_consent(rise_w, contract_w) else None


async def _ask_operator(
    gate: TreeGate, situation: Situation, fresh: Sequence[WaitingRequest], *, now: datetime, rules: NegotiationSettings
) -> set[int]:
    """Ask about what an operator has to be asked about; gives the numbers of these requests."""
    until = now + timedelta(seconds=rules.consent_wait_s)
    asked = set()
    for request in fresh:
        rise_w = _consent_of(situation, request, rules)
        if rise_w is not None:
            await gate.defer(request.request_no, now, {"until": until.isoformat(), "rise_w": round(rise_w, 1)})
            asked.add(request.request_no)
    return asked


def _rise_w(situation: Situation, request: WaitingRequest, at_most_w: float = np.inf) -> float:
    """The most that a request asks for beyond what is held, in any quarter [W]."""
    asked_w = np.minimum(asked_over(request, situation.window), at_most_w)
    return float(np.nanmax(asked_w - situation.held_by([request.group_no])[0], initial=0.0))


def _is_small(
    situation: Situation, request: WaitingRequest, had_w: Mapping[int, float], rules: NegotiationSettings
) -> bool:
    """Whether it gives back, or asks for so little that it need not wait, with what was had so since the last gate."""
    contract_w = situation.contract_w(request.group_no)
    left_w = instant_left_w(np.array(contract_w), np.array(had_w.get(request.group_no, 0.0)), rules.instant_fraction)
    return _rise_w(situation, request) <= float(left_w)


async def _write(
    writer: TreeWriter,
    decided: DecidedBatch,
    reservation: Reservation,
    due: Collection[int],
    *,
    now: datetime,
    recall_wait_s: float,
) -> None:
    outcomes = []
    for i, request in enumerate(decided.batch):
        told = outcome(decided, i, request)
        if request.request_no not in due:
            told = replace(told, detail={**told.detail, "instant_w": gained_w(decided, i, request)})
        outcomes.append(told)
    await writer.outcomes(outcomes, now)
    await writer.reserve(
        decided.situation.direction, reservation.elements, reservation.quarters, reservation.room_w,
        reservation.given_w, now,
    )  # fmt: skip
    await writer.capacities(decided.table, decided.groups)
    await _answer(writer, decided.batch)
    at_once, later = may_be_told_later(decided, now, recall_wait_s)
    await writer.send(decided.table.kind, at_once.tolist())
    await writer.send_later(decided.table.kind, later.tolist(), recall_wait_s)


def _why_undecidable(kind: ForecastKind, table: CapacityTable | None) -> str:
    if kind not in DIRECTION_OF:
        return f"only CONSUMPTION and GENERATION can be asked for, not {kind.value}"
    return "there is no forecast yet" if table is None else "there is no headroom yet"


async def _refuse(
    gate: TreeGate,
    version: GridVersion,
    batch: Sequence[WaitingRequest],
    table: CapacityTable | None,
    reasons: Mapping[int, str],
    *,
    now: datetime,
    rules: NegotiationSettings,
) -> int:
    """Refuse a batch without sharing anything out: each is told again what holds."""
    async with gate.decide(now, {"order": rules.order.value}) as writer:
        await writer.rests_on(version)
        await writer.outcomes([refusal(request, reasons[request.request_no]) for request in batch], now)
        if table is not None:
            groups = [r.group_no for r in batch]
            same = CapacityTable(
                kind=table.kind,
                steps=table.steps,
                capacity_w=table.capacity_w[groups],
                bound_by=table.bound_by[groups],
            )
            await writer.capacities(same, groups)
            await _answer(writer, batch)
        await writer.finish({**_summary(batch), UNSHARED: True})
    return len(batch)


async def _answer(writer: TreeWriter, batch: Sequence[WaitingRequest]) -> None:
    answers = [(r.group_no, request_id) for r in batch for request_id in (r.request_id, *r.repeats)]
    await writer.answer(batch[0].kind, answers)
