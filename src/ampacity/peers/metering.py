"""Meter readings, and the mean power per quarter hour that follows from an energy register.

A register counts energy.  Between two of its readings the energy is spread evenly; a
quarter has a value only when readings no further apart than `LONGEST_GAP_S` cover it
wholly, so that a gap stays a gap.  A register with `since` started at zero then: what
came before belongs to another session of it, and between two sessions nothing flowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ampacity.timegrid import QUARTER_S, Window

LONGEST_GAP_S = 3900.0  # an hour, the longest usual period of reporting, and five minutes of slack
CONFIRMED_BY = 3  # so many readings in a row that agree make a jump a restart
TIMES_THE_CONTRACT = 10.0
LEAST_CONTRACT_W = 1000.0  # a group without a contract may still have a meter
_SAME_WH = 1e-6

Floats = NDArray[np.float64]
Quantity = Literal["Wh", "W", "A"]
Direction = Literal["NET", "IMPORT", "EXPORT"]
EnergyType = Literal["TOTAL", "FLEXIBLE", "NONFLEXIBLE"]


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """One value of one meter; no `asset_id`: of the group as a whole; phase 0: all phases together."""

    measured_at: datetime
    value: float
    quantity: Quantity = "Wh"
    phase: int = 0
    direction: Direction = "NET"
    energy_type: EnergyType = "TOTAL"
    since: datetime | None = None
    asset_id: str = ""
    category: str = ""

    @property
    def register(self) -> tuple[str, str, int, str, str]:
        """What its meter counts: readings of one register can be compared."""
        return (self.asset_id, self.quantity, self.phase, self.direction, self.energy_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledMessage:
    """A report whose readings nobody has looked at; `readings` is JSON in our words."""

    message_no: int
    group_no: int
    received_at: datetime
    readings: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReading:
    """A reading to be recorded; with a fault it is kept, but never used."""

    message_no: int
    group_no: int
    reading: Reading
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterUse:
    """What one register says: mean power per quarter [W], shape (T,), NaN where it does not tell.

    `verdicts` has one entry per reading that was given, in that order: "" where it was
    used, else why not; a verdict that starts with "duplicate" is no fault of the meter.
    """

    load_w: Floats
    verdicts: tuple[str, ...]
    restarts: int


def fault_of(reading: Reading, received_at: datetime) -> str:
    """Why a reading cannot be right, whatever the others say; empty: it can.

    >>> from datetime import UTC
    >>> t = datetime(2026, 1, 1, tzinfo=UTC)
    >>> fault_of(Reading(measured_at=t, value=-1.0, direction="IMPORT"), t)
    'the register IMPORT stands at -1.0 Wh: a register of one direction is never negative'
    """
    if reading.quantity == "Wh" and reading.direction != "NET" and reading.value < 0:
        return (
            f"the register {reading.direction} stands at {reading.value} Wh: "
            "a register of one direction is never negative"
        )
    ahead_s = (reading.measured_at - received_at).total_seconds()
    if ahead_s > QUARTER_S:
        return f"measured {ahead_s:.0f} s after it was received"
    if reading.since is not None and reading.since > reading.measured_at:
        return f"measured at {reading.measured_at.isoformat()}, before its register started"
    return ""


def use_of_register(readings: Sequence[Reading], window: Window, contracted_w: float) -> RegisterUse:
    """What the readings of one energy register say about each quarter of a window."""
    at_s = np.array([r.measured_at.timestamp() for r in readings], np.float64)
    value_wh = np.array([r.value for r in readings], np.float64)
    since_s = np.array([r.since.timestamp() if r.since else -np.inf for r in readings], np.float64)
    order = np.lexsort((np.arange(len(readings)), at_s, since_s))
    edges_s: Floats = (window.first + np.arange(window.count + 1, dtype=np.float64)) * QUARTER_S
    energy_wh, covered_s = np.zeros(window.count), np.zeros(window.count)
    verdicts = [""] * len(readings)
    restarts, ended_s = 0, None
    fastest_w = TIMES_THE_CONTRACT * max(contracted_w, LEAST_CONTRACT_W)
    for start_s in np.unique(since_s):
        session = order[since_s[order] == start_s]
        runs, reasons = _runs(at_s[session], value_wh[session], readings[session[0]].direction, fastest_w)
        for place, reason in zip(session, reasons, strict=True):
            verdicts[int(place)] = reason
        restarts += len(runs) - 1 + (ended_s is not None)
        for n, run in enumerate(runs):
            t, v = at_s[session][run], value_wh[session][run]
            if n == 0 and np.isfinite(start_s) and start_s < t[0]:
                t, v = np.insert(t, 0, start_s), np.insert(v, 0, 0.0)
            _spread(t, v, edges_s, energy_wh, covered_s)
        if ended_s is not None and start_s > ended_s:
            _cover(ended_s, float(start_s), edges_s, covered_s)
        last_s = float(at_s[session].max())
        ended_s = last_s if ended_s is None else max(ended_s, last_s)
    load_w = np.where(covered_s >= QUARTER_S - 1e-3, energy_wh * 3600.0 / QUARTER_S, np.nan)
    return RegisterUse(load_w=load_w, verdicts=tuple(verdicts), restarts=restarts)


def mean_of_samples(readings: Sequence[Reading], window: Window, phase_voltage_v: float) -> Floats:
    """The mean of power (or current) samples in each quarter [W], shape (T,), NaN where there is none."""
    total_w, samples = np.zeros(window.count), np.zeros(window.count)
    for r in readings:
        quarter = int(r.measured_at.timestamp() // QUARTER_S) - window.first
        if 0 <= quarter < window.count:
            total_w[quarter] += r.value * (phase_voltage_v if r.quantity == "A" else 1.0)
            samples[quarter] += 1
    return np.where(samples > 0, total_w / np.maximum(samples, 1), np.nan)


def _runs(at_s: Floats, value_wh: Floats, direction: str, fastest_w: float) -> tuple[list[list[int]], list[str]]:
    """Readings in order of time, cut into runs of one count; and why each other one is left out."""
    reasons = [""] * len(at_s)
    runs: list[list[int]] = [[0]]
    for i in range(1, len(at_s)):
        last = runs[-1][-1]
        reason = _jump(at_s, value_wh, last, i, direction, fastest_w)
        if not reason:
            runs[-1].append(i)
        elif not reason.startswith("duplicate") and _confirmed(at_s, value_wh, i, direction, fastest_w):
            runs.append([i])
        else:
            reasons[i] = reason
    return runs, reasons


def _confirmed(at_s: Floats, value_wh: Floats, i: int, direction: str, fastest_w: float) -> bool:
    following = range(i, min(i + CONFIRMED_BY, len(at_s)))
    return len(following) == CONFIRMED_BY and not any(
        _jump(at_s, value_wh, a, a + 1, direction, fastest_w) for a in following[:-1]
    )


def _jump(at_s: Floats, value_wh: Floats, last: int, i: int, direction: str, fastest_w: float) -> str:
    """Why reading i cannot follow reading `last` of the same count; empty: it can."""
    apart_s, grown_wh = at_s[i] - at_s[last], value_wh[i] - value_wh[last]
    if apart_s <= 0:
        same = abs(grown_wh) <= _SAME_WH
        return "duplicate" if same else f"overlaps: {value_wh[i]} Wh and {value_wh[last]} Wh at the same moment"
    if direction != "NET" and grown_wh < -_SAME_WH:
        return f"the register runs backwards, from {value_wh[last]} Wh to {value_wh[i]} Wh"
    power_w = abs(grown_wh) * 3600.0 / apart_s
    if power_w > fastest_w:
        return f"{power_w:.0f} W is more than {fastest_w:.0f} W, {TIMES_THE_CONTRACT:g} times the contract"
    return ""


def _spread(at_s: Floats, value_wh: Floats, edges_s: Floats, energy_wh: Floats, covered_s: Floats) -> None:
    """Add a run's energy and the seconds it covers to the quarters between the edges."""
    short = np.diff(at_s) <= LONGEST_GAP_S
    grown = np.concatenate(([0.0], np.cumsum(np.where(short, np.diff(value_wh), 0.0))))
    known = np.concatenate(([0.0], np.cumsum(np.where(short, np.diff(at_s), 0.0))))
    energy_wh += np.diff(np.interp(edges_s, at_s, grown))
    covered_s += np.diff(np.interp(edges_s, at_s, known))


def _cover(start_s: float, end_s: float, edges_s: Floats, covered_s: Floats) -> None:
    covered_s += np.diff(np.clip(edges_s, start_s, end_s))
