"""Electric cars of one capacity group: when they come, what they need, and how they charge inside a capacity."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ampacity.timegrid import QUARTERS_PER_HOUR, moment_of, quarter_at

Floats = NDArray[np.float64]

PHASE_VOLTAGE_V = 230.0
LEAST_A = 6.0  # a car that may draw less than this draws nothing (IEC 61851-1)
LEAST_W = LEAST_A * PHASE_VOLTAGE_V
CHARGERS_A = (16.0, 32.0)  # three-phase 11 kW, single-phase 7.4 kW
AT_WORK = 0.25  # part of the cars that charge by day
SINGLE_PHASE = 0.3
COMES = 0.6  # part of the cars that come on a day


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """How many cars, and where; the same plan has the same cars at the same times for ever."""

    seed: int
    cars: int
    phases: tuple[int, ...] = (1, 2, 3)
    mean_need_wh: float = 9_000.0
    zone: str = "Europe/Amsterdam"

    def __post_init__(self) -> None:
        if self.cars < 0:
            raise ValueError(f"cars is {self.cars}, must be 0 or more")
        if not self.phases or not set(self.phases) <= {1, 2, 3}:
            raise ValueError(f"phases are {self.phases}, must be some of 1, 2, 3")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions:
    """Cars at their chargers; every array has a row for each of S cars."""

    car: NDArray[np.int64]
    arrival: NDArray[np.int64]  # the first quarter in which it can charge
    departure: NDArray[np.int64]  # the first quarter in which it is gone
    need_wh: Floats  # what it still lacks
    charger_w: Floats  # per phase
    on_phase: NDArray[np.bool_]  # (S, 3)

    def __len__(self) -> int:
        return len(self.car)

    def at(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Sessions":
        """Some of them."""
        return Sessions(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})

    def joined(self, other: "Sessions") -> "Sessions":
        """These and others."""
        return Sessions(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__}
        )

    @property
    def wanted_w(self) -> Floats:
        """What each car would draw per phase in a quarter [W], shape (S, 3)."""
        phases = self.on_phase.sum(axis=1)
        until_full_w = self.need_wh * QUARTERS_PER_HOUR / phases
        return np.where(self.on_phase, np.minimum(self.charger_w, until_full_w)[:, None], 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class FleetState:
    """A fleet at the start of a quarter: who is there, and what the meter says per phase."""

    quarter: int
    sessions: Sessions
    register_wh: Floats  # (3,), counts up for ever


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """What a fleet did in a quarter, per phase [W], shape (3,)."""

    quarter: int
    load_w: Floats
    wanted_w: Floats  # what it would have drawn without a limit
    missed_wh: float  # what the cars that left then still lacked

    @property
    def unmet_w(self) -> Floats:
        """What was wanted and not drawn."""
        return self.wanted_w - self.load_w


def empty_fleet(quarter: int) -> FleetState:
    """A car park in which no car is yet."""
    return FleetState(quarter=quarter, sessions=_no_sessions(), register_wh=np.zeros(3))


def started_fleet(plan: FleetPlan, quarter: int) -> FleetState:
    """The car park with those who came in the day before and are still there, none of whom has charged yet."""
    before = _sessions_of_days(plan, quarter)
    there = before.at((before.arrival < quarter) & (before.departure > quarter))
    return FleetState(quarter=quarter, sessions=there, register_wh=np.zeros(3))


def step(plan: FleetPlan, state: FleetState, capacity_w: Floats) -> tuple[FleetState, Draw]:
    """One quarter: cars come, charge inside the capacity, and leave at its end.

    Who must leave soonest for what it lacks goes first; a car that would get less than 6 A waits.

    Args:
        capacity_w: What the group may draw on each phase [W], shape (3,).
    """
    coming = _sessions_of_days(plan, state.quarter)
    sessions = state.sessions.joined(coming.at(coming.arrival == state.quarter))
    wanted_w = sessions.wanted_w
    drawn_w = _shared(sessions, wanted_w, capacity_w, state.quarter)
    drawn_wh = drawn_w / QUARTERS_PER_HOUR
    need_wh = np.maximum(sessions.need_wh - drawn_wh.sum(axis=1), 0.0)
    charged = replace(sessions, need_wh=need_wh)
    leaving = charged.departure <= state.quarter + 1
    after = FleetState(
        quarter=state.quarter + 1,
        sessions=charged.at(~leaving),
        register_wh=state.register_wh + drawn_wh.sum(axis=0),
    )
    missed_wh = float(need_wh[leaving].sum())
    return after, Draw(
        quarter=state.quarter, load_w=drawn_w.sum(axis=0), wanted_w=wanted_w.sum(axis=0), missed_wh=missed_wh
    )


def outlook_w(plan: FleetPlan, state: FleetState, quarters: int) -> Floats:
    """What the fleet would draw without a limit in the next quarters, per phase [W], shape (quarters, 3).

    It knows who is there and who has booked: what a provider bases its requests for more on.
    """
    unlimited = np.full(3, np.inf)
    wanted_w = np.zeros((quarters, 3))
    for k in range(quarters):
        state, draw = step(plan, state, unlimited)
        wanted_w[k] = draw.load_w
    return wanted_w


def _shared(sessions: Sessions, wanted_w: Floats, capacity_w: Floats, quarter: int) -> Floats:
    """What each car draws [W], shape (S, 3): in the order of how little time each has to spare."""
    full_power_wh = sessions.charger_w * sessions.on_phase.sum(axis=1) / QUARTERS_PER_HOUR
    spare = sessions.departure - quarter - sessions.need_wh / np.maximum(full_power_wh, 1.0)
    left_w = np.maximum(np.asarray(capacity_w, float), 0.0).copy()
    drawn_w = np.zeros_like(wanted_w)
    for s in np.lexsort((sessions.car, spare)):
        on = sessions.on_phase[s]
        power_w = wanted_w[s, on].max()
        if left_w[on].min() < power_w:
            power_w = left_w[on].min() if left_w[on].min() >= LEAST_W else 0.0
        drawn_w[s, on] = power_w
        left_w[on] -= power_w
    return drawn_w


def _sessions_of_days(plan: FleetPlan, quarter: int) -> Sessions:
    """Everyone who comes on the local day of a quarter or the day before."""
    day = moment_of(quarter).astimezone(ZoneInfo(plan.zone)).date().toordinal()
    return _sessions_on(plan, day - 1).joined(_sessions_on(plan, day))


@lru_cache(maxsize=1024)
def _sessions_on(plan: FleetPlan, day: int) -> Sessions:
    """Everyone who comes on a local day, the `day`-th of our era."""
    cars = np.random.default_rng([plan.seed, 0])  # what never changes about a car
    at_work = cars.random(plan.cars) < AT_WORK
    on_phase, charger_w = _chargers(plan, cars)
    rng = np.random.default_rng([plan.seed, 1, day])
    arrival_h = np.where(at_work, rng.normal(8.3, 0.7, plan.cars), rng.normal(18.0, 1.8, plan.cars))
    leaving_h = np.where(at_work, rng.normal(17.0, 1.0, plan.cars), 24.0 + rng.normal(7.6, 0.8, plan.cars))
    arrival_h = np.clip(arrival_h, np.where(at_work, 6.0, 12.0), np.where(at_work, 12.0, 23.5))
    leaving_h = np.clip(leaving_h, np.where(at_work, 14.0, 29.0), np.where(at_work, 20.0, 35.0))
    need_wh = np.minimum(rng.lognormal(-0.32, 0.8, plan.cars) * plan.mean_need_wh, 6.0 * plan.mean_need_wh)
    midnight = _local_midnight(day, plan.zone)
    everyone = Sessions(
        car=np.arange(plan.cars),
        arrival=midnight + np.floor(arrival_h * QUARTERS_PER_HOUR).astype(np.int64),
        departure=midnight + np.floor(leaving_h * QUARTERS_PER_HOUR).astype(np.int64),
        need_wh=need_wh,
        charger_w=charger_w,
        on_phase=on_phase,
    )
    return everyone.at(rng.random(plan.cars) < COMES)


def _chargers(plan: FleetPlan, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Floats]:
    """The phases of each car's charger, shape (cars, 3), and its power per phase [W], shape (cars,)."""
    single = rng.random(plan.cars) < (SINGLE_PHASE if len(plan.phases) == 3 else 1.0)
    on_phase = np.zeros((plan.cars, 3), bool)
    on_phase[np.arange(plan.cars), rng.choice(np.array(plan.phases) - 1, plan.cars)] = True
    on_phase[~single] = True
    return on_phase, np.where(single, CHARGERS_A[1], CHARGERS_A[0]) * PHASE_VOLTAGE_V


def _local_midnight(day: int, zone: str) -> int:
    start = datetime.combine(date.fromordinal(day), time(), ZoneInfo(zone))
    return quarter_at(start.astimezone(UTC))


def _no_sessions() -> Sessions:
    none = np.zeros(0, np.int64)
    return Sessions(
        car=none,
        arrival=none,
        departure=none,
        need_wh=np.zeros(0),
        charger_w=np.zeros(0),
        on_phase=np.zeros((0, 3), bool),
    )
