"""What a request for capacity asks for, in watts per quarter hour, pure."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from ampacity.errors import Unsuitable
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.values import PHASE_NAMES, PHASE_NUMBERS, moment_from, number_from, time_text
from ampacity.oscp.wire import ForecastedBlock
from ampacity.peers.types import Connection, Watts


def wanted_power(
    blocks: Sequence[ForecastedBlock], group: Connection, profile: PeerProfile, *, now_quarter: int, most_quarters: int
) -> tuple[int, Watts]:
    """What a request asks for: its first quarter, and the wanted total [W] per quarter, NaN where it asks nothing.

    A quarter that is covered in part is asked for with the largest block in it.  What has passed is cut off.

    Raises:
        Unsuitable: every fault of every block.
    """
    faults: list[str] = []
    spans: list[tuple[datetime, datetime, int, float]] = []
    for n, block in enumerate(blocks):
        try:
            spans.append(_span(block, group, profile, f"forecasted_blocks[{n}]"))
        except Unsuitable as wrong:
            faults.extend(wrong.faults)
    faults.extend(_overlaps(spans))
    if faults:
        raise Unsuitable(faults[:20])
    first = max(now_quarter, int(min(s[0] for s in spans).timestamp()) // 900)
    end = max(-(-math.ceil(s[1].timestamp()) // 900) for s in spans)
    if end <= first:
        raise Unsuitable("forecasted_blocks: all of it has passed")
    if end - first > most_quarters:
        raise Unsuitable(
            f"forecasted_blocks: it reaches {(end - first) / 96:.1f} days, more than {most_quarters / 96:g}"
        )
    return first, _total(spans, group, first, end - first)


def _span(
    block: ForecastedBlock, group: Connection, profile: PeerProfile, place: str
) -> tuple[datetime, datetime, int, float]:
    """Start, end, phase number (0: all) and power [W] of a block: of its phase, or of all phases."""
    start = moment_from(block.start_time, profile, f"{place}.start_time")
    end = moment_from(block.end_time, profile, f"{place}.end_time")
    if end <= start:
        raise Unsuitable(f"{place}: end_time {block.end_time} is not after start_time {block.start_time}")
    value = number_from(block.capacity, profile, f"{place}.capacity")
    if value < 0:
        raise Unsuitable(f"{place}.capacity: {value} is negative")
    phase = PHASE_NUMBERS[block.phase]
    if phase and phase not in group.phases:
        raise Unsuitable(f"{place}.phase: the group has no phase {block.phase}")
    hours = (end - start).total_seconds() / 3600.0
    match block.unit:
        case "A":
            return start, end, phase, value * group.phase_voltage_v * (1 if phase else len(group.phases))
        case "W":
            return start, end, phase, value
        case "KW":
            return start, end, phase, value * 1000.0
        case "WH":
            return start, end, phase, value / hours
        case "KWH":
            return start, end, phase, value * 1000.0 / hours


def _overlaps(spans: Sequence[tuple[datetime, datetime, int, float]]) -> list[str]:
    """Two blocks of one phase at the same time contradict each other, and so do one for all phases and one for some."""
    faults = []
    for phase in (0, 1, 2, 3):
        ordered = sorted(s[:2] for s in spans if s[2] == phase)
        faults += [
            f"forecasted_blocks: two blocks of phase {PHASE_NAMES[phase]} overlap at {time_text(b[0])}"
            for a, b in pairwise(ordered)
            if b[0] < a[1]
        ]
    whole = sorted(s[:2] for s in spans if s[2] == 0)
    single = sorted(s[:2] for s in spans if s[2] != 0)
    i = 0
    for start, end in single:
        while i < len(whole) and whole[i][1] <= start:
            i += 1
        if i < len(whole) and whole[i][0] < end:
            faults.append(f"forecasted_blocks: ALL and a single phase overlap at {time_text(max(start, whole[i][0]))}")
    return faults


def _total(spans: Sequence[tuple[datetime, datetime, int, float]], group: Connection, first: int, count: int) -> Watts:
    """The total per quarter: of single phases, their number times the largest (power is allotted evenly)."""
    by_phase_w = np.full((4, count), np.nan)
    for start, end, phase, power_w in spans:
        a = max(0, math.floor(start.timestamp() / 900) - first)
        b = min(count, math.ceil(end.timestamp() / 900) - first)
        if b > a:
            by_phase_w[phase, a:b] = np.fmax(by_phase_w[phase, a:b], power_w)
    single_w = np.fmax.reduce(by_phase_w[1:], axis=0) * len(group.phases)
    total_w: Watts = np.fmax(by_phase_w[0], single_w).astype(np.float32)
    return total_w
