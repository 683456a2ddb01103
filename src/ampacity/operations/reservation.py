"""What a decided batch takes of the headroom, for the ledger that guards it."""

from dataclasses import dataclass

import numpy as np

from ampacity.allocation import element_load_w
from ampacity.operations.batch import DecidedBatch
from ampacity.ports import Floats, Ints


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """What a batch gives and takes of the headroom of E' elements upstream of its groups, in Q quarters."""

    elements: Ints  # (E',) their places in the tree, which ascend
    quarters: Ints  # (Q,) those in which anything changes
    room_w: Floats  # (E', 3, Q) the room there was
    given_w: Floats  # (E', 3, Q) given of it; negative: given back


def reservation_of(decided: DecidedBatch) -> Reservation:
    """The reservation of a batch."""
    situation, groups = decided.situation, np.array(decided.groups)
    network, phase_share = situation.network, np.asarray(situation.network.phase_share, np.float64)
    more_w = np.asarray(decided.table.capacity_w, np.float64) - situation.held_by(decided.groups)
    steps = np.flatnonzero(more_w.any(axis=0))
    elements = network.upstream(network.element[groups])
    parent = network.parent[elements]
    inside = np.where(parent >= 0, np.searchsorted(elements, parent), -1)
    at = np.searchsorted(elements, network.element[groups])
    held_load_w = element_load_w(situation.held_during(steps), network.parent, network.element, phase_share)
    return Reservation(
        elements=elements,
        quarters=situation.window.first + steps,
        room_w=situation.headroom_w[elements][:, :, steps].astype(np.float64) - held_load_w[elements],
        given_w=element_load_w(more_w[:, steps], inside, at, phase_share[groups]),
    )
