"""Non-controllable load: what was measured less what the flexible groups behind drew."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Loads = NDArray[np.floating]

PLAUSIBLE_TIMES_LIMIT = 3.0
CELLS_AT_ONCE = 524_288  # figures worked on together: they nearly fit the cache


class Mark(IntEnum):
    """Why there is no non-controllable load in a quarter."""

    NONE = 0
    GAP = 1  # nothing was measured
    IMPLAUSIBLE = 2  # no such element could carry it
    USE_UNKNOWN = 3  # a group behind that reports did not report this quarter


@dataclass(frozen=True, kw_only=True)
class Settled:
    """`load_w` (E, 3, T) [W], NaN where marked; `mark` (E, 3, T) of Mark, NONE on phases an element lacks."""

    load_w: NDArray[np.float32]
    mark: NDArray[np.uint8]

    def since(self, quarter: int) -> "Settled":
        """The quarters from one of them on; views, no copies."""
        return Settled(load_w=self.load_w[:, :, quarter:], mark=self.mark[:, :, quarter:])

    def counts(self) -> dict[str, int]:
        """How many values bear each mark."""
        return {m.name.lower(): int(np.count_nonzero(self.mark == m)) for m in Mark if m is not Mark.NONE}


def settle(measured_w: Loads, used_w: Loads, limit_w: Loads) -> Settled:
    """Subtract the flexible use; a value that cannot be used is marked, never filled.

    Args:
        measured_w: Per element and phase [W], shape (E, 3, T); NaN is a gap.
        used_w: By all groups behind [W], shape (E, 3, T); NaN where one of them is unknown.
        limit_w: What a phase may carry [W], shape (E, 3); 0 on a phase the element lacks.
    """
    load_w, mark = np.empty(measured_w.shape, np.float32), np.empty(measured_w.shape, np.uint8)
    together = max(1, CELLS_AT_ONCE // max(1, measured_w[:1].size))
    for first in range(0, len(measured_w), together):
        some = slice(first, first + together)
        load_w[some], mark[some] = _settled(measured_w[some], used_w[some], limit_w[some][:, :, None])
    return Settled(load_w=load_w, mark=mark)


def _settled(measured_w: Loads, used_w: Loads, limit_w: Loads) -> tuple[Loads, NDArray[np.uint8]]:
    """What can be used of a few elements, and why not of the rest."""
    exists = limit_w > 0
    mark = np.zeros(measured_w.shape, np.uint8)
    mark[np.isnan(used_w)] = Mark.USE_UNKNOWN
    with np.errstate(invalid="ignore"):
        mark[np.abs(measured_w) > PLAUSIBLE_TIMES_LIMIT * limit_w] = Mark.IMPLAUSIBLE
    mark[np.isnan(measured_w)] = Mark.GAP
    mark *= exists
    return np.where(exists & (mark == Mark.NONE), measured_w - used_w, np.nan), mark


def known_use(reported_w: Loads) -> Loads:
    """What groups drew [W], shape (G, 3, T): nothing before their first report, NaN where a report is missing since."""
    has = ~np.isnan(reported_w)
    reported = has.any(axis=1, keepdims=True)
    since = np.maximum.accumulate(reported, axis=2)
    return np.where(since & reported, np.where(has, reported_w, 0.0), np.where(since, np.nan, 0.0))
