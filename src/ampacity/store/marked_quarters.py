"""Quarters of elements and phases that are marked, as bits and back."""

import numpy as np
from numpy.typing import NDArray

from ampacity.network import PHASES

Marked = NDArray[np.bool_]  # (E, 3, T)


def packed_quarters(marked: Marked | None) -> bytes | None:
    """A bit for each quarter, each phase filled up to whole bytes; None for none."""
    return None if marked is None else np.packbits(marked, axis=2).tobytes()


def unpacked_quarters(bits: bytes | None, quarters: int) -> Marked | None:
    """What `packed_quarters` packed.

    >>> unpacked_quarters(packed_quarters(np.ones((2, 3, 9), bool)), 9).sum()
    np.int64(54)
    """
    if bits is None:
        return None
    rows = np.frombuffer(bits, np.uint8).reshape(-1, PHASES, -(-quarters // 8))
    return np.unpackbits(rows, axis=2, count=quarters).astype(bool)
