"""What providers reported becomes mean power per quarter hour."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import msgspec
import numpy as np

from ampacity.peers.metering import LONGEST_GAP_S, NewReading, Reading, UnsettledMessage, fault_of
from ampacity.peers.types import Connection
from ampacity.peers.usage import use_of_group
from ampacity.ports import Usage
from ampacity.timegrid import Window, quarter_at

_GAP = timedelta(seconds=LONGEST_GAP_S)
_MOST_MESSAGES = 5_000
_MOST_QUARTERS = 96 * 3  # a settlement looks at runs of at most three days


async def settle_usage(usage: Usage, now: datetime) -> int:
    """Turn what was reported since the last time into use of the groups; gives how many groups changed.

    What was known before is not overwritten: a later record corrects it.
    """
    changed = 0
    while messages := await usage.unsettled(_MOST_MESSAGES):
        read = [row for message in messages for row in _rows(message)]
        ours = await usage.add_readings(read, [m.message_no for m in messages], now)
        rows = [row for row in read if row.message_no in ours]
        touched: dict[int, list[datetime]] = defaultdict(list)
        faults: dict[int, int] = Counter(row.group_no for row in rows if row.fault)
        for row in rows:
            if not row.fault:
                touched[row.group_no].append(row.reading.measured_at)
        groups = await usage.connections(list(touched))
        for group_no, moments in touched.items():
            changed += await _settle_group(usage, groups[group_no], moments, now)
        for group_no, n in faults.items():
            await usage.count(group_no, now, {"fault": n})
        if len(messages) < _MOST_MESSAGES:
            break
    return changed


async def _settle_group(usage: Usage, group: Connection, moments: list[datetime], now: datetime) -> bool:
    """Work out anew every quarter that the new readings can change."""
    known_before = False
    for window in _windows(moments, now):
        rows = await usage.readings(group.group_no, window.start_moment - _GAP, window.end_moment + _GAP)
        found = use_of_group([reading for _, reading, _ in rows], group, window)
        verdicts = [v if v and not v.startswith("duplicate") else None for v in found.verdicts]
        moved = [(no, new) for (no, _, old), new in zip(rows, verdicts, strict=True) if new != old]
        if moved:
            await usage.judge(moved)
        if found.counts:
            await usage.count(group.group_no, now, found.counts)
        known = await usage.known_usage(group.group_no, window)
        load_w = found.load_w.astype(np.float32)
        told = np.isfinite(load_w).all(axis=0)
        new = told & (np.abs(load_w - known) > 0.5) | (told & ~np.isfinite(known).all(axis=0))
        places = np.flatnonzero(new.any(axis=0) if new.ndim > 1 else new)
        if places.size:
            first, last = int(places[0]), int(places[-1]) + 1
            await usage.add_usage(group.group_no, window.first + first, load_w[:, first:last], now)
            known_before = True
    return known_before


def _windows(moments: list[datetime], now: datetime) -> list[Window]:
    """Runs of quarters that readings at these moments can change, none after now."""
    quarters = sorted({quarter_at(m) for m in moments})
    reach = int(LONGEST_GAP_S // 900) + 1
    windows: list[Window] = []
    for q in quarters:
        first, end = q - reach, min(q + reach + 1, quarter_at(now))
        if end <= first:
            continue
        if windows and first <= windows[-1].end and end - windows[-1].first <= _MOST_QUARTERS:
            windows[-1] = Window(windows[-1].first, max(end, windows[-1].end) - windows[-1].first)
        else:
            windows.append(Window(first, end - first))
    return windows


def _rows(message: UnsettledMessage) -> list[NewReading]:
    readings = msgspec.json.decode(message.readings, type=list[Reading])
    return [
        NewReading(
            message_no=message.message_no,
            group_no=message.group_no,
            reading=reading,
            fault=fault_of(reading, message.received_at) or None,
        )
        for reading in readings
    ]
