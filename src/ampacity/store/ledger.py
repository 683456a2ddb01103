"""What a decision gives and takes, as rows of the ledger that guards headroom: an element's hour each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ampacity.network import PHASES
from ampacity.ports import Floats, Ints
from ampacity.timegrid import QUARTERS_PER_HOUR

LEAST_W = 1e-3  # smaller changes are those of floats
PLACES = QUARTERS_PER_HOUR * PHASES  # of an hour: the three phases of its first quarter, then of the next one


@dataclass(frozen=True, kw_only=True)
class LedgerRows:
    """Rows (R,) of places (R, 12) [W]."""

    element: Ints
    hour: Ints
    room_w: NDArray[np.float64]  # NaN where nothing is given
    given_w: NDArray[np.float64]


def ledger_rows(elements: Ints, quarters: Ints, room_w: Floats, given_w: Floats) -> LedgerRows:
    """The hours in which something is given or given back.

    Args:
        elements: Their numbers (E,).
        quarters: In which something may be given (Q,).
        room_w: The room there was [W], (E, 3, Q).
        given_w: What is given of it, negative: given back [W], (E, 3, Q).
    """
    row, step = np.nonzero(np.logical_or.reduce([np.abs(given_w[:, p]) > LEAST_W for p in range(PHASES)]))
    hour, place = np.divmod(np.asarray(quarters, np.int64)[step], QUARTERS_PER_HOUR)
    keys, into = np.unique(np.stack([np.asarray(elements, np.int64)[row], hour]), axis=1, return_inverse=True)
    into = into.ravel()
    shape = (keys.shape[1], QUARTERS_PER_HOUR, PHASES)
    room, given = np.full(shape, np.nan), np.zeros(shape)
    room[into, place], given[into, place] = room_w[row, :, step], given_w[row, :, step]
    return LedgerRows(element=keys[0], hour=keys[1], room_w=room.reshape(-1, PLACES), given_w=given.reshape(-1, PLACES))
