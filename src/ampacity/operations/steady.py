"""What groups were told before, and what of it may stay."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import Smoothing, smooth
from ampacity.network import Direction, Network
from ampacity.operations.away import AWAY
from ampacity.ports import CapacityTable, Floats, Held, Steps


@dataclass(frozen=True, kw_only=True)
class Side:
    """One direction in which a grid is shared out, and what is the same there in every quarter, (G,) each."""

    network: Network
    direction: Direction
    contract_w: NDArray[np.float64]
    firm_w: NDArray[np.float64]
    one_ampere_w: NDArray[np.float64]

    @classmethod
    def of(cls, network: Network, direction: Direction) -> Self:
        return cls(
            network=network,
            direction=direction,
            contract_w=network.contracted_w(direction).astype(np.float64),
            firm_w=network.firm_w(direction).astype(np.float64),
            one_ampere_w=one_ampere_w(network),
        )

    def previous_w(self, told_w: Floats, held: Held) -> NDArray[np.float64]:
        """What was told that may still be held [W], (G, T); what is not known stays not known."""
        most_w = np.fmin(self.contract_w[:, None], held.returned_w)
        return np.minimum(told_w, most_w, dtype=np.float64)


def one_ampere_w(network: Network) -> NDArray[np.float64]:
    """What 1 A on all its phases is for each group [W], (G,)."""
    watts: NDArray[np.float64] = network.phase_voltage_v[network.element] * (network.phase_share > 0).sum(axis=1)
    return watts


def said_before(told: CapacityTable | None, steps: Steps, groups: int) -> NDArray[np.float32] | None:
    """What was said of these steps before, (G, T), NaN where nothing was; None: nothing that can be compared."""
    if told is None or told.steps.quarters != steps.quarters:
        return None
    shift = steps.first - told.steps.first
    previous_w = np.full((groups, steps.count), np.nan, np.float32)
    span = slice(max(shift, 0), shift + steps.count)
    is_back = told.bound_by[:groups, span] == AWAY  # it has its share again at once
    known = np.where(is_back, np.float32(np.nan), told.capacity_w[:groups, span])
    if shift >= 0:
        previous_w[: len(known), : known.shape[1]] = known
    return previous_w


def steady(
    side: Side,
    headroom_w: Floats,
    held: Held,
    capacity_w: NDArray[np.float32],
    told_w: Floats,
    falls: NDArray[np.bool_],
    need_cap_w: Floats | None,
    rules: Smoothing,
) -> Floats:
    """The new capacities of some quarters, but what was said before where that may stay."""
    due_w = held.granted_w.astype(np.float64)
    if side.direction is Direction.IMPORT and need_cap_w is not None:
        due_w = np.fmax(due_w, np.where(np.isinf(need_cap_w), capacity_w, np.nan))  # it comes back at once
    return smooth(
        capacity_w.astype(np.float64),
        side.previous_w(told_w, held),
        headroom_w=headroom_w,
        parent=side.network.parent,
        element=side.network.element,
        phase_share=side.network.phase_share.astype(np.float64),
        contracted_w=side.contract_w,
        one_ampere_w=side.one_ampere_w,
        granted_w=due_w,
        firm_w=side.firm_w,
        falls=falls,
        rules=rules,
    )
