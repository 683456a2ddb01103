"""What a simulated provider does with its capacity: cars charge, meters are reported, more is asked for."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec
import numpy as np

from ampacity.oscp.values import PHASE_NAMES, time_text
from ampacity.oscp.wire import EnergyMeasurement, ForecastedBlock, GroupCapacityForecast, UpdateGroupMeasurements
from ampacity.simulation.fleet import FleetPlan, FleetState, Floats, outlook_w, started_fleet, step
from ampacity.simulation.provider import SimulatedProvider
from ampacity.timegrid import moment_of, quarter_at

_ASKS_AHEAD = 8  # quarters that a request of the policy covers
_ASKS_EVERY = 4  # quarters between two requests for a group
_SHORT, _AMPLE = 1.05, 0.5  # of what is held: more is asked for above, some is given back below
_LONGEST_CATCH_UP = 96


class ScriptLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to be sent once: from `start`, else from `in_quarters` from now on, for so many quarters, the total."""

    group_id: str
    capacity_w: float
    after_s: float = 0.0
    type: str = "CONSUMPTION"
    start: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    in_quarters: int = 1
    quarters: int = 8


@dataclass(slots=True)
class CarPark:
    """The cars of one group."""

    plan: FleetPlan
    state: FleetState
    asked_at: int = 0
    has_asked: bool = False


@dataclass(slots=True)
class Driving:
    """Moves the fleets of a provider along the clock of the data."""

    provider: SimulatedProvider
    clock: Callable[[], datetime]
    cars_per_group: int = 12
    seed: int = 1
    asks: bool = True
    parks: dict[str, CarPark] = field(default_factory=dict)

    async def run(self) -> None:
        """Each quarter hour, for ever: charge, report, ask."""
        while True:
            await asyncio.sleep(0.05)
            now = quarter_at(self.clock())
            for group_id in list(self.provider.groups):
                await self._group(group_id, now)

    async def follow(self, script: Sequence[ScriptLine]) -> None:
        """Send the requests of a script, each when its time has come and its group is known."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for line in sorted(script, key=lambda s: s.after_s):
            while loop.time() < begun + line.after_s or line.group_id not in self.provider.groups:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await self.send_line(line)

    async def send_line(self, line: ScriptLine) -> None:
        """Send one request of a script now."""
        first = quarter_at(self.clock()) + line.in_quarters if line.start is None else quarter_at(line.start)
        await self._ask(line.group_id, line.type, first, [line.capacity_w] * line.quarters)

    async def _group(self, group_id: str, now: int) -> None:
        park = self.parks.get(group_id)
        if park is None:
            self.parks[group_id] = park = self._park(group_id, now)
            await self._report(group_id, park)
        park_is_late = now - park.state.quarter > _LONGEST_CATCH_UP
        if park_is_late:  # the clock jumped: a gap, as after an outage
            park.state = started_fleet(park.plan, now)
        while park.state.quarter < now:
            await self._step(group_id, park)
            await self._report(group_id, park)
            if self.asks:
                await self._consider(group_id, park)

    def _park(self, group_id: str, now: int) -> CarPark:
        phases = tuple(sorted(self.provider.groups[group_id].phases)) or (1, 2, 3)
        seed = zlib.crc32(f"{self.seed} {group_id}".encode())
        plan = FleetPlan(seed=seed, cars=self.cars_per_group, phases=phases)
        return CarPark(plan=plan, state=started_fleet(plan, now))

    def _capacity_w(self, group_id: str, quarter: int) -> Floats:
        held = self.provider.groups[group_id].at(quarter, online=self.provider.hears_the_other())
        return np.zeros(3) if held is None else held

    async def _step(self, group_id: str, park: CarPark) -> None:
        capacity_w = self._capacity_w(group_id, park.state.quarter)
        park.state, draw = step(park.plan, park.state, capacity_w)
        self.provider.tell(
            "charged",
            {
                "group_id": group_id, "start": moment_of(draw.quarter).isoformat(), "load_w": draw.load_w.tolist(),
                "capacity_w": capacity_w.tolist(), "unmet_w": float(draw.unmet_w.sum()),
            },
        )  # fmt: skip

    async def _report(self, group_id: str, park: CarPark) -> None:
        """The registers of each phase, as they stand at the start of the quarter."""
        at = time_text(moment_of(park.state.quarter))
        if self.provider.misbehaviour.naive_times:
            at = at.rstrip("Z")
        registers = [
            EnergyMeasurement(
                value=round(float(park.state.register_wh[p - 1]), 3), phase=PHASE_NAMES[p], unit="WH",
                direction="IMPORT", energy_type="FLEXIBLE", measure_time=at,
            )
            for p in park.plan.phases
        ]  # fmt: skip
        message = UpdateGroupMeasurements(group_id=group_id, measurements=registers)
        await self.provider.send("update_group_measurements", message)

    async def _consider(self, group_id: str, park: CarPark) -> None:
        """Ask for what the cars will want where it is more than is held; give back what was asked for in vain."""
        now = park.state.quarter
        if now - park.asked_at < _ASKS_EVERY:
            return
        wanted_w = outlook_w(park.plan, park.state, _ASKS_AHEAD).sum(axis=1)
        held_w = np.array([self._capacity_w(group_id, now + k).sum() for k in range(_ASKS_AHEAD)])
        short = wanted_w.sum() > _SHORT * held_w.sum()
        ample = park.has_asked and wanted_w.sum() < _AMPLE * held_w.sum()
        if short or ample:
            park.asked_at, park.has_asked = now, short
            asked_w = np.maximum(wanted_w, held_w) if short else wanted_w
            await self._ask(group_id, "CONSUMPTION", now + 1, asked_w[1:].tolist())

    async def _ask(self, group_id: str, kind: str, first: int, totals_w: Sequence[float]) -> None:
        blocks = [
            ForecastedBlock(
                capacity=round(total_w), phase="ALL", unit="W", start_time=time_text(moment_of(first + k)),
                end_time=time_text(moment_of(first + k + 1)),
            )
            for k, total_w in enumerate(totals_w)
        ]  # fmt: skip
        message = msgspec.convert(
            {"group_id": group_id, "type": kind, "forecasted_blocks": blocks}, GroupCapacityForecast
        )
        request_id, delivery = await self.provider.ask(message)
        self.provider.tell(
            "asked",
            {"group_id": group_id, "id": request_id, "capacity_w": list(totals_w), "outcome": delivery.outcome.value},
        )
