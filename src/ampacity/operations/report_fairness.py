"""How fair the shares were over a time, for a regulator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Allocation, Fairness, entitlement, fairness, stranded_w
from ampacity.errors import NotReady
from ampacity.network import PHASES, Direction, Network
from ampacity.operations.shares import KIND_OF
from ampacity.ports import AnswerCounts, DecisionRecords, Floats, GridStore, Ints
from ampacity.timegrid import QUARTER, Window, quarter_at

_ROUNDING_W = 2.0  # capacities are whole watts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFairness:
    """One provider's line in the report; energies in Wh."""

    provider_id: str
    groups: int
    contracted_w: float
    entitled_wh: float
    held_wh: float
    part_of_entitlement: float
    lent_wh: float
    borrowed_wh: float
    used_wh: float
    curtailed_wh: float
    worst_regret_w: float
    requests: AnswerCounts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """All providers over one time."""

    start: datetime
    end: datetime
    direction: Direction
    quarters: int  # decided ones
    stranded_wh: float  # that nobody got though somebody wanted it and the grid could carry it
    providers: tuple[ProviderFairness, ...]


async def report_fairness(
    start: datetime, end: datetime, direction: Direction, *, grid: GridStore, records: DecisionRecords
) -> FairnessReport:
    """Compare what every provider held with what it was entitled to, in each decided quarter hour.

    What a group held is what was in force when the quarter ended; what it was entitled to is its
    share of that quarter's headroom if all had used their contracts as they are now.

    Raises:
        NotReady: nothing was decided in that time.
    """
    slots = await records.cycle_slots(start, end)
    if not slots:
        raise NotReady(f"nothing was decided between {start.isoformat()} and {end.isoformat()}")
    network = await grid.network()
    held_w, bound_by, headroom_w = await _in_force(slots, network, direction, records)
    contracted_w = network.contracted_w(direction).astype(np.float64)
    places = network.parent, network.element, network.phase_share.astype(np.float64)
    entitled_w = entitlement(headroom_w, *places, contracted_w, network.firm_w(direction).astype(np.float64))
    numbers = {p.provider_id: i for i, p in enumerate(network.providers)}
    owner = np.array([numbers[g.provider_id] for g in network.groups], np.int64)
    used_w = await _used(slots, len(network.groups), direction, grid)
    found = fairness(held_w, bound_by, entitled_w, contracted_w, used_w, owner)
    shared = Allocation(held_w, bound_by.astype(np.int32), np.zeros(held_w.shape, np.int8), np.zeros_like(held_w))
    wanted_w = np.where(bound_by >= 0, contracted_w[:, None], held_w)
    left_w = stranded_w(shared, wanted_w, headroom_w, *places)
    answers = {a.provider_no: a for a in await records.answer_counts(start, end)}
    return FairnessReport(
        start=start,
        end=end,
        direction=direction,
        quarters=len(slots),
        stranded_wh=round(float(np.where(left_w > _ROUNDING_W, left_w, 0.0).max(axis=0).sum() / 4), 1),
        providers=tuple(_line(network, i, found, owner, contracted_w, answers.get(i)) for i in range(len(numbers))),
    )


async def _in_force(
    slots: Sequence[datetime], network: Network, direction: Direction, records: DecisionRecords
) -> tuple[NDArray[np.float64], Ints, NDArray[np.float64]]:
    """What was held when each quarter ended, what bound it, and the headroom: a column for each slot."""
    groups, elements = len(network.groups), len(network.elements)
    held_w, bound_by = np.zeros((groups, len(slots))), np.full((groups, len(slots)), -1, np.int64)
    headroom_w = np.zeros((elements, PHASES, len(slots)))
    for i, slot in enumerate(slots):
        quarter, last_moment = quarter_at(slot), slot + QUARTER - timedelta(milliseconds=1)
        table = (await records.capacities_at(groups, last_moment, None)).get(KIND_OF[direction])
        base = await records.headroom_base(2**62, last_moment)
        room = None if base is None else await records.headroom(base, direction.value)
        if table is None or room is None:
            continue
        held_w[:, i] = np.nan_to_num(table.capacity_w[:, quarter - table.steps.first])
        bound_by[:, i] = table.bound_by[:, quarter - table.steps.first]
        known = room[1][:, :, quarter - room[0].first]
        headroom_w[: len(known), :, i] = known
    return held_w, bound_by, headroom_w


async def _used(slots: Sequence[datetime], groups: int, direction: Direction, grid: GridStore) -> NDArray[np.float64]:
    """What was drawn, or fed in, in each slot [W], (G, slots); NaN where it is not known."""
    window = Window.between(slots[0], slots[-1] + QUARTER)
    used_w = (await grid.loads("group", range(groups), window, slots[-1] + timedelta(days=36500))).sum(axis=1)
    columns = [quarter_at(slot) - window.first for slot in slots]
    sign = 1.0 if direction is Direction.IMPORT else -1.0
    drawn_w: NDArray[np.float64] = np.maximum(sign * used_w[:, columns].astype(np.float64), 0.0)
    return drawn_w


def _line(
    network: Network, no: int, found: Fairness, owner: Ints, contracted_w: Floats, answers: AnswerCounts | None
) -> ProviderFairness:
    return ProviderFairness(
        provider_id=network.providers[no].provider_id,
        groups=int((owner == no).sum()),
        contracted_w=float(contracted_w[owner == no].sum()),
        entitled_wh=_rounded(found.entitled_wh, no),
        held_wh=_rounded(found.held_wh, no),
        part_of_entitlement=round(float(found.part_of_entitlement[no]), 4),
        lent_wh=_rounded(found.lent_wh, no),
        borrowed_wh=_rounded(found.borrowed_wh, no),
        used_wh=_rounded(found.used_wh, no),
        curtailed_wh=_rounded(found.curtailed_wh, no),
        worst_regret_w=_rounded(found.worst_regret_w, no),
        requests=answers,
    )


def _rounded(values: Floats, no: int) -> float:
    return round(float(values[no]), 1)
