"""Compute a stored decision again, from what was known then, and compare it to the byte."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import RULE_VERSION, Order
from ampacity.errors import NotReady
from ampacity.network import Direction, ForecastKind, Network
from ampacity.operations.batch import DIRECTION_OF, UNSHARED, DecidedBatch, decide_batch, situation_of
from ampacity.operations.decide import decide
from ampacity.operations.emergency import lowered
from ampacity.operations.emergency_fallback import lowered_fallbacks
from ampacity.operations.override import Moved, shared_again
from ampacity.operations.settings import CycleSettings
from ampacity.operations.shares import KIND_OF, Before, Outlook
from ampacity.operations.summary import LAPSED
from ampacity.ports import (
    AwayGroups,
    CapacityTable,
    DecisionRecord,
    DecisionRecords,
    Floats,
    Held,
    Steps,
    StoredCapacities,
)
from ampacity.timegrid import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came out."""

    decision_id: int
    kind: str
    capacities: int  # that were compared
    differences: tuple[str, ...]  # the first ones, in words

    @property
    def is_equal(self) -> bool:
        return not self.differences


Computed = tuple[CapacityTable | None, Sequence[int] | None]


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """A decision computed again, beside what is stored of it; a table's rows are its groups, of None all of them."""

    record: DecisionRecord
    network: Network
    tables: Sequence[Computed]
    stored: Sequence[StoredCapacities]
    batch: DecidedBatch | None = None  # of a decision on requests: what it was computed from

    def compared(self) -> Replayed:
        """Every capacity and what bound it, byte for byte."""
        return Replayed(
            decision_id=self.record.decision_id,
            kind=self.record.kind,
            capacities=sum(block.capacity_w.size for block in self.stored),
            differences=tuple(_differences(self.tables, self.stored, self.network)),
        )

    def computed_w(self, kind: ForecastKind, group_no: int) -> tuple[Steps, Floats] | None:
        """What came out for one group [W], (S,)."""
        for table, groups in self.tables:
            if table is None or table.kind is not kind:
                continue
            if groups is None or group_no in groups:
                row = group_no if groups is None else list(groups).index(group_no)
                return table.steps, table.capacity_w[row]
        return None


async def replay(decision_id: int, records: DecisionRecords) -> Replayed:
    """Compute a decision again and compare every capacity and what bound it, byte for byte.

    Raises:
        NotFound: there is no such decision.
        NotReady: it was made by another version of the rule, or before inputs were kept.
    """
    return (await recompute(decision_id, records)).compared()


async def recompute(decision_id: int, records: DecisionRecords) -> Recomputed:
    """Compute a decision again, beside the event loop; raises as `replay`."""
    record = await records.decision(decision_id)
    if record.rule_version != RULE_VERSION:
        raise NotReady(
            f"decision {decision_id} follows version {record.rule_version} of the rule, this is {RULE_VERSION}"
        )
    network = await records.network_at(record.grid)
    stored = await records.stored(decision_id)
    tables: list[Computed]
    batch = None
    if record.kind == "cycle":
        inputs = await cycle_inputs(record, network, records)
        tables = [(t, None) for t in (await asyncio.to_thread(decide, network, *inputs)).tables]
    elif record.kind == "emergency":
        tables = await _emergency_tables(record, network, records)
    elif record.kind == "override":
        tables = await _override_tables(record, network, records)
    else:
        table, batch = await _request_table(record, network, records)
        tables = [table]
    return Recomputed(record=record, network=network, tables=tables, stored=stored, batch=batch)


async def cycle_inputs(
    record: DecisionRecord, network: Network, records: DecisionRecords
) -> tuple[Outlook, dict[Direction, Held], Before, AwayGroups | None]:
    """What the shares of a cycle were computed from."""
    room = {d: await records.headroom(record.decision_id, d.value) for d in Direction}
    pool = {d: await records.headroom(record.decision_id, f"pool_{d.value}") for d in Direction}
    far = {d: await records.headroom(record.decision_id, f"fallback_{d.value}") for d in Direction}
    first = room[Direction.IMPORT]
    if first is None or record.need_wh is None:
        raise NotReady(f"decision {record.decision_id} was made before all inputs were kept")
    settings = msgspec.convert(record.settings["cycle"], CycleSettings)
    steps = first[0]
    window = Window(steps.first, steps.count)
    outlook = Outlook(
        steps=steps,
        headroom_w={d: found[1] for d, found in room.items() if found},
        pool_w={d: found[1] for d, found in pool.items() if found},
        median_w=await records.median(record.decision_id, steps.count),
        fallback_steps=next((found[0] for found in far.values() if found), steps),
        fallback_headroom_w={d: found[1] for d, found in far.items() if found},
        need_wh=record.need_wh,
        need_cap_w=None if record.need_cap_w is None else record.need_cap_w.reshape(-1, steps.count),
        hand_out_rest=settings.hand_out_rest,
    )
    groups, known = len(network.groups), record.decisions_up_to
    numbers = record.summary.get(LAPSED, [])
    assert isinstance(numbers, Sequence)
    lapsed = [int(str(n)) for n in numbers]
    held = {d: await records.held_at(KIND_OF[d], groups, window, known, lapsed) for d in Direction}
    told = await records.capacities_at(groups, record.made_at, known)
    away = await records.away(record.decision_id, steps.count)
    return outlook, held, Before(capacities=told, rules=settings.smoothing), away


async def _emergency_tables(record: DecisionRecord, network: Network, records: DecisionRecords) -> list[Computed]:
    rooms = {}
    for direction in Direction:
        found = await records.headroom(record.decision_id, direction.value)
        assert found is not None
        rooms[direction] = (Window(found[0].first, found[0].count), found[1])
    held = await records.capacities_at(len(network.groups), record.made_at, record.decisions_up_to)
    tables: list[Computed] = list(await asyncio.to_thread(lowered, network, rooms, held, record.made_at))
    found_far = {d: await records.headroom(record.decision_id, f"fallback_{d.value}") for d in Direction}
    far = {d: found for d, found in found_far.items() if found is not None}
    return tables + list(lowered_fallbacks(network, far, held, record.made_at))


async def _override_tables(record: DecisionRecord, network: Network, records: DecisionRecords) -> list[Computed]:
    """The capacities under a limit that counted at once: its headroom is stored, and so is the one before it."""
    base = await records.headroom_base(record.decisions_up_to, record.made_at)
    element_id = str(record.summary["element_id"])
    e = next(i for i, element in enumerate(network.elements) if element.element_id == element_id)
    rooms, asked = {}, {}
    for direction in Direction:
        found = await records.headroom(record.decision_id, direction.value)
        before = None if base is None else await records.headroom(base, direction.value)
        if found is None or before is None:
            raise NotReady(f"the headroom under decision {record.decision_id} is not stored any more")
        covers = Window(found[0].first, found[0].count)
        rooms[direction] = Moved(covers=covers, room_w=found[1], moved_w=found[1][e] - before[1][e])
        asked[direction] = await records.held_at(
            KIND_OF[direction], len(network.groups), covers, record.decisions_up_to
        )
    held = await records.capacities_at(len(network.groups), record.made_at, record.decisions_up_to)
    return list(await asyncio.to_thread(shared_again, network, e, rooms, held, asked, record.made_at))


async def _request_table(
    record: DecisionRecord, network: Network, records: DecisionRecords
) -> tuple[Computed, DecidedBatch | None]:
    """The capacities that a decision on requests leads to, of which groups, and from what they were computed."""
    kind = ForecastKind(str(record.summary["kind"]))
    numbers = record.summary["requests"]
    assert isinstance(numbers, Sequence)
    batch = await records.requests([int(str(n)) for n in numbers])
    table = (await records.capacities_at(len(network.groups), record.made_at, record.decisions_up_to)).get(kind)
    groups = tuple(r.group_no for r in batch)
    direction = DIRECTION_OF.get(kind)
    room = None if direction is None else await _room(record, direction, records)
    if table is None:
        return (None, groups), None
    if direction is None or room is None or record.summary.get(UNSHARED):
        same = CapacityTable(
            kind=kind,
            steps=table.steps,
            capacity_w=table.capacity_w[list(groups)],
            bound_by=table.bound_by[list(groups)],
        )
        return (same, groups), None
    order = Order(str(record.settings.get("order", Order.FAIR.value)))
    situation = situation_of(network, table, room, direction, record.made_at)
    decided = await asyncio.to_thread(decide_batch, situation, batch, order)
    return (decided.table, decided.groups), decided


async def _room(record: DecisionRecord, direction: Direction, records: DecisionRecords) -> tuple[Window, Floats] | None:
    base = await records.headroom_base(record.decisions_up_to, record.made_at)
    found = None if base is None else await records.headroom(base, direction.value)
    return None if found is None else (Window(found[0].first, found[0].count), found[1])


def _differences(
    tables: Sequence[Computed],
    stored: Sequence[StoredCapacities],
    network: Network,
    at_most: int = 10,
) -> list[str]:
    computed = {t.kind: (t, groups) for t, groups in tables if t is not None}
    found = [f"{kind.value}: nothing is stored" for kind in computed.keys() - {b.kind for b in stored}]
    found += [f"{kind.value}: is stored, not computed" for kind in {b.kind for b in stored} - computed.keys()]
    compared = 0
    for block in stored:
        if block.kind not in computed:
            continue
        table, groups = computed[block.kind]
        rows = _rows(block, groups)
        compared += len(rows)
        found += _block_differences(table, rows, block, network)
    expected = sum(len(t.capacity_w) for t, _ in computed.values())
    if compared != expected:
        found.append(f"{compared} rows are stored, {expected} computed")
    return found[:at_most]


def _rows(block: StoredCapacities, groups: Sequence[int] | None) -> list[int]:
    """Which rows of the computed table a stored block holds."""
    numbers = range(block.first_no, block.first_no + len(block.capacity_w))
    return list(numbers) if groups is None else [list(groups).index(n) for n in numbers if n in groups]


def _block_differences(
    table: CapacityTable, rows: Sequence[int], block: StoredCapacities, network: Network
) -> list[str]:
    if table.steps != block.steps or len(rows) != len(block.capacity_w):
        return [f"{block.kind.value}: other groups or quarters"]
    power_w: NDArray[np.float32] = table.capacity_w[list(rows)].astype("<f4")
    bound_by = table.bound_by[list(rows)].astype("<i4")
    if power_w.tobytes() == block.capacity_w.tobytes() and bound_by.tobytes() == block.bound_by.tobytes():
        return []
    other = (power_w.view("<i4") != block.capacity_w.view("<i4")) | (bound_by != block.bound_by)
    g, s = (int(i) for i in np.argwhere(other)[0])
    group = network.groups[block.first_no + g].group_id
    values = f"stored {block.capacity_w[g, s]} W, computed {power_w[g, s]} W ({int(other.sum())} such)"
    return [f"{block.kind.value} of group {group}, step {s}: {values}"]
