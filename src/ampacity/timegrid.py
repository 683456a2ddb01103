"""The quarter-hour grid, and the local calendar on it.

Inside, time is a *quarter*: the whole number of quarter hours since
1970-01-01T00:00Z, so that a window of time is a pair of integers and a series is
an array.  Moments are aware UTC datetimes; intervals are half open.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

QUARTER = timedelta(minutes=15)
QUARTER_S = 900
QUARTERS_PER_HOUR = 4
QUARTERS_PER_DAY = 96
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def quarter_at(moment: datetime) -> int:
    """The quarter in which an aware moment lies.

    >>> quarter_at(datetime(1970, 1, 2, 0, 20, tzinfo=UTC))
    97
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: moments are aware")
    return (moment - EPOCH) // QUARTER


def moment_of(quarter: int) -> datetime:
    """The moment at which a quarter starts, in UTC."""
    return EPOCH + int(quarter) * QUARTER


def floor_quarter(moment: datetime) -> datetime:
    """The start of the quarter in which a moment lies."""
    return moment_of(quarter_at(moment))


@dataclass(frozen=True, slots=True)
class Window:
    """A run of quarters: `first` and the `count` that follow from it."""

    first: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"a window cannot hold {self.count} quarters")

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Window":
        """The quarters that start in [start, end)."""
        first = -((EPOCH - start) // QUARTER)
        return cls(first, max(0, -((EPOCH - end) // QUARTER) - first))

    @property
    def end(self) -> int:
        return self.first + self.count

    @property
    def start_moment(self) -> datetime:
        return moment_of(self.first)

    @property
    def end_moment(self) -> datetime:
        return moment_of(self.end)

    def quarters(self) -> Ints:
        return np.arange(self.first, self.end, dtype=np.int64)

    def moments(self) -> list[datetime]:
        return [moment_of(q) for q in range(self.first, self.end)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCalendar:
    """What the wall clock says at each quarter of a window; arrays of shape (T,)."""

    hour: NDArray[np.float64]  # local hours since local midnight, by the wall clock, 0 <= h < 24
    weekday: Ints  # Monday is 0
    day: Ints  # local date as days since 1970-01-01
    utc_offset_h: NDArray[np.float64]


def local_calendar(window: Window, zone: ZoneInfo) -> LocalCalendar:
    """Local wall-clock time of each quarter: a local day has 92, 96 or 100 of them.

    >>> c = local_calendar(Window(quarter_at(datetime(2026, 3, 28, 23, tzinfo=UTC)), 96), ZoneInfo("Europe/Amsterdam"))
    >>> int((c.day == c.day[0]).sum())
    92
    """
    quarters = window.quarters()
    offset_s = _utc_offsets_s(quarters, zone)
    local_s = quarters * QUARTER_S + offset_s
    day = local_s // 86400
    return LocalCalendar(
        hour=(local_s - day * 86400) / 3600.0,
        weekday=(day + 3) % 7,
        day=day,
        utc_offset_h=offset_s / 3600.0,
    )


def local_midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    """The start of the local day in which a moment lies, in UTC."""
    local = moment.astimezone(zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def date_of(day: int) -> date:
    """The date that many days after 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=int(day))


def _utc_offsets_s(quarters: Ints, zone: ZoneInfo) -> Ints:
    """Offset from UTC per quarter [s]: looked up once a day, per quarter only on days where it changes."""
    offset = np.zeros(quarters.shape, np.int64)
    if quarters.size == 0:
        return offset
    days, where = np.unique(quarters // QUARTERS_PER_DAY, return_inverse=True)
    at_start = np.array([_offset_s(int(d) * QUARTERS_PER_DAY, zone) for d in days] + [0], np.int64)
    at_start[-1] = _offset_s(int(days[-1] + 1) * QUARTERS_PER_DAY, zone)
    offset[:] = at_start[where]
    for d in np.flatnonzero(np.diff(at_start)):
        for i in np.flatnonzero(where == d):
            offset[i] = _offset_s(int(quarters[i]), zone)
    return offset


def _offset_s(quarter: int, zone: ZoneInfo) -> int:
    offset = moment_of(quarter).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
