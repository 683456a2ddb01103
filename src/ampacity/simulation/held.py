"""The forecasts that a simulated provider holds: what each of its groups may draw in each quarter."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.oscp.wire import ForecastedBlock, GroupCapacityForecast
from ampacity.simulation.fleet import PHASE_VOLTAGE_V
from ampacity.timegrid import QUARTER_S

Floats = NDArray[np.float64]
_PHASES = {"ONE": (0,), "TWO": (1,), "THREE": (2,), "ALL": (0, 1, 2), "UNKNOWN": (0, 1, 2)}


@dataclass(slots=True)
class HeldForecasts:
    """Per kind and quarter the capacity per phase [W]; a newer message rules the time that it covers."""

    capacity_w: dict[str, dict[int, Floats]] = field(default_factory=dict)
    phases: set[int] = field(default_factory=set)

    def take(self, message: GroupCapacityForecast) -> None:
        """Keep what a message says."""
        told: dict[int, Floats] = {}
        for block in message.forecasted_blocks:
            places = _PHASES[block.phase]
            self.phases.update(p + 1 for p in places)
            first, end = _quarters(block)
            for quarter in range(first, end):
                per_phase_w = told.setdefault(quarter, np.zeros(3))
                for p in places:
                    per_phase_w[p] = _power_w(block) / (1 if block.unit == "A" else len(places))
        self.capacity_w.setdefault(message.type, {}).update(told)

    def at(self, quarter: int, *, online: bool, direction: str = "CONSUMPTION") -> Floats | None:
        """What may be drawn per phase [W]: as told, or the fallback where the other side is silent or told nothing."""
        fallback = self.capacity_w.get(f"FALLBACK_{direction}", {}).get(quarter)
        told = self.capacity_w.get(direction, {}).get(quarter)
        return fallback if not online or told is None else told


def _quarters(block: ForecastedBlock) -> tuple[int, int]:
    start, end = (datetime.fromisoformat(t).timestamp() for t in (block.start_time, block.end_time))
    return int(start // QUARTER_S), int(-(-end // QUARTER_S))


def _power_w(block: ForecastedBlock) -> float:
    """Power of a block [W]; of a current, per phase."""
    return float(block.capacity) * {"A": PHASE_VOLTAGE_V, "KW": 1000.0}.get(block.unit, 1.0)
