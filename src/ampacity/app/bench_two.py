"""The same work by one and by two: what both of these benchmarks share."""

import os
from collections.abc import Sequence

import msgspec

from ampacity.errors import NotReady

SEVERAL = 2


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that one took and that several took: the middle ones of a few runs.

    Where reading and writing can be told apart, also those of the computing part alone.
    """

    elements: int
    several: int
    one_s: float
    several_s: float
    times: float
    computing: "Compared | None" = None

    @classmethod
    def of(cls, elements: int, one_s: Sequence[float], several_s: Sequence[float]) -> "Compared":
        one, several = (sorted(runs)[len(runs) // 2] for runs in (one_s, several_s))
        return cls(
            elements=elements, several=SEVERAL, one_s=round(one, 2), several_s=round(several, 2),
            times=round(one / several, 2),
        )  # fmt: skip


def processors() -> list[int]:
    """Those that several processes get, one each.

    Raises:
        NotReady: this machine has too few.
    """
    found = sorted(os.sched_getaffinity(0))[:SEVERAL]
    if len(found) < SEVERAL:
        raise NotReady(f"this needs {SEVERAL} processors, one for each; there are fewer")
    return found
