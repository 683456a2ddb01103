"""Why a group's capacities are what they are, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Allocation, Explanation, element_load_w, entitlement, explain, in_words
from ampacity.errors import NotFound, NotReady
from ampacity.network import Direction, Network
from ampacity.operations.away import AWAY
from ampacity.operations.shares import KIND_OF
from ampacity.ports import CapacityTable, DecisionRecords, Floats, GridStore, Steps
from ampacity.timegrid import moment_of, quarter_at

AWAY_WORDS = "what your fallback lets you draw while you are not connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBlock:
    """A run of quarters with one reason."""

    start: datetime
    end: datetime
    told: Explanation  # of its first quarter
    words: str


async def explain_group(
    group_id: str, at: datetime, direction: Direction, *, grid: GridStore, records: DecisionRecords
) -> Sequence[ExplainedBlock]:
    """Say why, from a moment on as far as forecasts reach.

    Raises:
        NotFound: there is no such group.
        NotReady: nothing was decided before that moment.
    """
    network = await grid.network()
    group = next((i for i, g in enumerate(network.groups) if g.group_id == group_id), None)
    if group is None:
        raise NotFound(f"there is no group {group_id}")
    table = (await records.capacities_at(len(network.groups), at, None)).get(KIND_OF[direction])
    base = await records.headroom_base(2**62, at)
    room = None if base is None else await records.headroom(base, direction.value)
    if table is None or room is None:
        raise NotReady(f"nothing was decided before {at.isoformat()}: run a cycle first")
    return list(_blocks(network, group, direction, table, room, quarter_at(at)))


def _blocks(
    network: Network, group: int, direction: Direction, table: CapacityTable, room: tuple[Steps, Floats], now: int
) -> Iterator[ExplainedBlock]:
    steps, headroom_w = room
    first = max(now, table.steps.first, steps.first)
    last = min(table.steps.first + table.steps.count, steps.first + steps.count)
    held = slice(first - table.steps.first, last - table.steps.first)
    headroom: NDArray[np.float64] = headroom_w[:, :, first - steps.first : last - steps.first].astype(np.float64)
    shared, entitled_w = _shared(network, direction, headroom, table, held)
    contracted_w = network.contracted_w(direction).astype(np.float64)
    told = [explain(group, t, shared, entitled_w, network.element, contracted_w) for t in range(last - first)]
    words = [_words(network, t) for t in told]
    starts = [t for t in range(len(told)) if t == 0 or words[t] != words[t - 1]]
    for start, end in zip(starts, [*starts[1:], len(told)], strict=True):
        yield ExplainedBlock(
            start=moment_of(first + start), end=moment_of(first + end), told=told[start], words=words[start]
        )


def _shared(
    network: Network, direction: Direction, headroom_w: NDArray[np.float64], table: CapacityTable, held: slice
) -> tuple[Allocation, NDArray[np.float64]]:
    """What is held, as an allocation, and what each group is entitled to."""
    capacity_w = np.nan_to_num(table.capacity_w[:, held]).astype(np.float64)
    bound_by = table.bound_by[:, held].astype(np.int32)
    grid = network.parent, network.element, np.asarray(network.phase_share, np.float64)
    spare_w = headroom_w - element_load_w(capacity_w, *grid)
    quarters = np.arange(bound_by.shape[1])
    at_place = spare_w[np.maximum(bound_by, 0), :, quarters[None, :]]  # (G, T, 3)
    at_place = np.where((network.phase_share > 0)[:, None, :], at_place, np.inf)
    phase = np.where(bound_by >= 0, at_place.argmin(axis=2), -1).astype(np.int8)
    entitled_w = entitlement(
        headroom_w, *grid, network.contracted_w(direction).astype(np.float64),
        network.firm_w(direction).astype(np.float64),
    )  # fmt: skip
    return Allocation(capacity_w, bound_by, phase, np.zeros_like(capacity_w)), entitled_w


def _words(network: Network, told: Explanation) -> str:
    def name(e: int) -> str:
        return f"{network.elements[e].kind} {network.elements[e].element_id}"

    if told.bound_by == AWAY:
        return in_words(told, name(told.element), None, own_cap=AWAY_WORDS)
    return in_words(told, name(told.element), None if told.bound_by < 0 else name(told.bound_by))
