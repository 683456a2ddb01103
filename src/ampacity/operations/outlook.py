"""Headroom for all elements, gathered from the forecasts of their blocks."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np

from ampacity.allocation import headroom, pool_reserve
from ampacity.forecasting import ForecastSettings, ForecastSource
from ampacity.network import PHASES, Direction
from ampacity.operations.decide import Outlook
from ampacity.operations.forecast import BlockForecast
from ampacity.operations.forecast_plan import Plan
from ampacity.ports import Floats, Steps
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

SCORED_EVERY_H = 6
BOLDER = 0.95  # the quantile whose gap to that of the risk makes the pool


def used_levels(settings: ForecastSettings) -> tuple[float, float, float]:
    """The quantiles that a decision rests on: lower, median, upper."""
    return settings.risk, 0.5, round(1 - settings.risk, 9)


def kept_levels(settings: ForecastSettings, slot: datetime) -> tuple[float, ...]:
    """The quantiles that are stored: those that the decision rests on, in the first cycle of every six hours all.

    That one is scored (`score_forecasts`), and how well every quantile is calibrated is seen from it.
    """
    is_scored = slot.astimezone(UTC).hour % SCORED_EVERY_H == 0 and slot.minute == 0
    return settings.levels if is_scored else used_levels(settings)


class Gathered:
    """Takes in block after block and keeps what the allocation needs of them."""

    def __init__(self, plan: Plan) -> None:
        elements = len(plan.network.elements)
        self._plan = plan
        self.steps = Steps(first=plan.origin, count=plan.cycle.horizon)
        self.headroom_w = {d: np.zeros((elements, PHASES, self.steps.count), np.float32) for d in Direction}
        self.pool_w = {d: np.zeros_like(self.headroom_w[d]) for d in Direction}
        self.median_w = np.zeros((elements, PHASES, self.steps.count), np.float32)
        hours = plan.cycle.fallback_days * QUARTERS_PER_DAY // QUARTERS_PER_HOUR
        first = plan.origin - plan.origin % QUARTERS_PER_HOUR
        self.fallback_steps = Steps(first=first, count=hours, quarters=QUARTERS_PER_HOUR)
        due = Direction if plan.with_fallback else ()
        self.fallback_w = {d: np.zeros((elements, PHASES, hours), np.float32) for d in due}
        self.marks: Counter[str] = Counter()
        self.refitted = 0
        self._sources: Counter[str] = Counter()
        self.weather_free_quarters = 0  # of all elements and phases, forecast without weather

    def add(self, block: BlockForecast) -> None:
        """Take in the forecast of a block of elements."""
        rows = slice(block.elements.start, block.elements.stop)
        limit_w, extra_w = self._plan.limit_w[rows], self._plan.cycle.extra_margin_w
        lower, median, upper = (block.forecast.at(level) for level in used_levels(self._plan.forecast))
        room = headroom(limit_w, upper, lower, extra_w)
        self.headroom_w[Direction.IMPORT][rows] = room.import_w
        self.headroom_w[Direction.EXPORT][rows] = room.export_w
        bolder = headroom(limit_w, block.forecast.at(BOLDER), block.forecast.at(1 - BOLDER), extra_w)
        fraction = self._plan.cycle.pool_fraction
        self.pool_w[Direction.IMPORT][rows] = pool_reserve(room.import_w, bolder.import_w, fraction)
        self.pool_w[Direction.EXPORT][rows] = pool_reserve(room.export_w, bolder.export_w, fraction)
        self.median_w[rows] = np.nan_to_num(median)
        self._plan.shifts.apply(self.headroom_w, block.elements, self.steps)
        if block.band_w is not None:
            far = headroom(limit_w, block.band_w[1], block.band_w[0], extra_w)
            self.fallback_w[Direction.IMPORT][rows] = far.import_w
            self.fallback_w[Direction.EXPORT][rows] = far.export_w
            self._plan.shifts.apply(self.fallback_w, block.elements, self.fallback_steps, cautious=True)
        self.marks.update(block.marks)
        self.refitted += block.refitted * len(block.elements)
        self._sources.update(ForecastSource(s).name.lower() for s in block.forecast.source.ravel().tolist())
        if block.forecast.weather_free is not None:
            self.weather_free_quarters += int(block.forecast.weather_free.sum())

    def sources(self) -> dict[str, int]:
        """How many forecasts of phases rest on what."""
        return {name: n for name, n in self._sources.items() if name != ForecastSource.NONE.name.lower()}

    def outlook(self, need_wh: Floats) -> Outlook:
        return Outlook(
            steps=self.steps,
            headroom_w=self.headroom_w,
            pool_w=self.pool_w,
            median_w=self.median_w,
            fallback_steps=self.fallback_steps,
            fallback_headroom_w=self.fallback_w,
            need_wh=need_wh,
        )
