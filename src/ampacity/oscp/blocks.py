"""Forecasted blocks as JSON without an object for each: all but the capacities is the same in most messages."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import msgspec

from ampacity.oscp.values import time_text
from ampacity.oscp.wire import BlockUnit, Phase
from ampacity.timegrid import moment_of


def encoded_blocks(
    values: Sequence[float],
    phases: Sequence[Phase],
    unit: BlockUnit,
    edges: tuple[int, ...],
    *,
    milliseconds: bool,
    as_strings: bool,
) -> msgspec.Raw:
    """The list of `ForecastedBlock`s that gives each phase these values, as JSON.

    Args:
        values: Capacity of each step in the unit, shape (steps,).
        phases: Each gets all the values.
        unit: Of the capacities.
        edges: Quarters at which the steps start, and the one at which the last one ends.
        milliseconds: Whether times have three fraction digits.
        as_strings: Whether capacities go out in quotes.

    Example:
        >>> bytes(encoded_blocks([5.0], ["ALL"], "W", (0, 1), milliseconds=False, as_strings=False)).decode()[:39]
        '[{"capacity":5.0,"phase":"ALL","unit":"'
    """
    if not values:
        return msgspec.Raw(b"[]")
    frame = _frame(tuple(phases), unit, edges, 1 if milliseconds else 0)
    texts = msgspec.json.encode(values)[1:-1].split(b",")
    if as_strings:
        texts = [b'"%b"' % text for text in texts]
    pieces = [b""] * (2 * len(texts) * len(phases) + 1)
    pieces[0::2] = frame
    pieces[1::2] = texts * len(phases)
    return msgspec.Raw(b"".join(pieces))


@lru_cache(maxsize=1024)
def _frame(
    phases: tuple[Phase, ...], unit: BlockUnit, edges: tuple[int, ...], with_fraction: Literal[0, 1]
) -> list[bytes]:
    """What stands before, between and after the capacities."""
    times = [time_text(moment_of(q), milliseconds=bool(with_fraction)) for q in edges]
    ends = [
        f',"phase":"{phase}","unit":"{unit}","start_time":"{start}","end_time":"{end}"}}'
        for phase in phases
        for start, end in pairwise(times)
    ]
    frame = ['[{"capacity":', *(f'{end},{{"capacity":' for end in ends[:-1]), f"{ends[-1]}]"]
    return [piece.encode("ascii") for piece in frame]
