"""What the forecast of a block of elements leaves free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.allocation import headroom, pool_reserve
from ampacity.figures import coarsest, round_down, round_off, round_up
from ampacity.forecasting import ForecastSettings, LoadForecast
from ampacity.network import Direction
from ampacity.operations.forecast_plan import Plan
from ampacity.ports import Floats, Steps
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

TOGETHER = 64  # elements whose figures are worked out at once: they fit the cache
BOLDER = 0.95  # the quantile whose gap to that of the risk makes the pool


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a block of elements leaves free; arrays (E, 3, steps) of its elements [W]."""

    elements: range
    headroom_w: Mapping[Direction, Floats]
    pool_w: Mapping[Direction, Floats]
    median_w: Floats
    fallback_w: Mapping[Direction, Floats]  # empty where no new fallback is due


def used_levels(settings: ForecastSettings) -> tuple[float, float, float]:
    """The quantiles that a decision rests on: lower, median, upper."""
    return settings.risk, 0.5, round(1 - settings.risk, 9)


def cycle_steps(plan: Plan) -> Steps:
    """The quarter hours of a cycle."""
    return Steps(first=plan.origin, count=plan.cycle.horizon)


def fallback_steps(plan: Plan) -> Steps:
    """The hours that fallbacks reach."""
    hours = plan.cycle.fallback_days * QUARTERS_PER_DAY // QUARTERS_PER_HOUR
    return Steps(first=plan.origin - plan.origin % QUARTERS_PER_HOUR, count=hours, quarters=QUARTERS_PER_HOUR)


def room_of(plan: Plan, elements: range, forecast: LoadForecast, band_w: tuple[Floats, Floats] | None) -> Room:
    """The headroom that the forecast of a block of elements leaves; `band_w` (E, 3, hours): its worst credible load."""
    rows = slice(elements.start, elements.stop)
    limit_w, extra_w = plan.limit_w[rows], plan.cycle.extra_margin_w
    headroom_w = {d: np.empty(forecast.load_w.shape[1:], np.float32) for d in Direction}
    pool_w = {d: np.empty(forecast.load_w.shape[1:], np.float32) for d in Direction}
    for first in range(0, len(elements), TOGETHER):
        some = slice(first, first + TOGETHER)
        _lay_room(plan, limit_w[some], [forecast.at(level)[some] for level in _levels(plan)], some, headroom_w, pool_w)
    plan.shifts.apply(headroom_w, elements, cycle_steps(plan))
    for direction, left_w in headroom_w.items():
        round_down(left_w)
        np.minimum(pool_w[direction], np.maximum(left_w, 0), out=pool_w[direction])
        round_down(pool_w[direction])
    fallback_w: dict[Direction, Floats] = {}
    if band_w is not None:
        far = headroom(limit_w, band_w[1], band_w[0], extra_w)
        fallback_w = {Direction.IMPORT: _packed(far.import_w), Direction.EXPORT: _packed(far.export_w)}
        plan.shifts.apply(fallback_w, elements, fallback_steps(plan), cautious=True)
        for left_w in fallback_w.values():
            round_down(left_w)
    return Room(
        elements=elements,
        headroom_w=headroom_w,
        pool_w=pool_w,
        median_w=np.nan_to_num(forecast.at(0.5)),
        fallback_w=fallback_w,
    )


def round_quantiles(forecast: LoadForecast, settings: ForecastSettings) -> None:
    """Round quantiles to figures of 16 bits, in place: those that a decision rests on outwards; they do not cross."""
    lower, _, upper = used_levels(settings)
    steps = coarsest(forecast.at(lower), forecast.at(upper))
    for level, load_w in zip(forecast.levels, forecast.load_w, strict=True):
        if level <= lower:
            round_down(load_w, steps)
        elif level >= upper:
            round_up(load_w, steps)
        else:
            round_off(load_w, steps)


def _levels(plan: Plan) -> tuple[float, float, float, float]:
    lower, _, upper = used_levels(plan.forecast)
    return upper, lower, BOLDER, 1 - BOLDER


def _lay_room(
    plan: Plan,
    limit_w: Floats,
    quantiles_w: Sequence[Floats],
    some: slice,
    headroom_w: Mapping[Direction, Floats],
    pool_w: Mapping[Direction, Floats],
) -> None:
    """What the forecast of some elements leaves, and what of it is kept back, into their rows."""
    upper, lower, bold_upper, bold_lower = quantiles_w
    room = headroom(limit_w, upper, lower, plan.cycle.extra_margin_w)
    bolder = headroom(limit_w, bold_upper, bold_lower, plan.cycle.extra_margin_w)
    for direction, here_w, bold_w in (
        (Direction.IMPORT, room.import_w, bolder.import_w),
        (Direction.EXPORT, room.export_w, bolder.export_w),
    ):
        headroom_w[direction][some] = here_w
        pool_w[direction][some] = pool_reserve(here_w, bold_w, plan.cycle.pool_fraction)


def _packed(values: Floats) -> Floats:
    return values.astype(np.float32)
