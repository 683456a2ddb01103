"""How the forecasts did: every few hours' decision of a past day against what was measured, by lead time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ampacity.console_ports import Score, ScoreStore
from ampacity.network import Network
from ampacity.network.settling import known_use, settle
from ampacity.operations.forecast import paths_into
from ampacity.ports import Floats, GridStore
from ampacity.timegrid import EPOCH, QUARTERS_PER_DAY, Window

LEADS_H = (1.0, 4.0, 12.0, 24.0)  # the longest lead of each class
HOURS_APART = 4  # of the decisions that are scored
HORIZON = timedelta(hours=24)
GROUPS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class ScorePorts:
    """What scoring needs of the outside world."""

    grid: GridStore
    scores: ScoreStore


async def score_days(now: datetime, *, ports: ScorePorts, power_factor: float, days: int = 7) -> int:
    """Score the decisions of past days whose forecasts have all come to pass; gives how many days were scored."""
    newest = ((now - HORIZON) - EPOCH).days - 1
    done = set(await ports.scores.scored_days())
    network = await ports.grid.network()
    scored = 0
    for day in range(newest - days + 1, newest + 1):
        if day not in done:
            scored += await _score_day(now, day, network, ports, power_factor)
    return scored


async def _score_day(now: datetime, day: int, network: Network, ports: ScorePorts, power_factor: float) -> int:
    """Add up one day, block after block; 0 where it has no decision."""
    sums: dict[tuple[float, int], Floats] = {}
    last: datetime | None = None
    for decision_id, made_at in await ports.scores.cycles_of_day(day):
        if last is not None and made_at - last < timedelta(hours=HOURS_APART):
            continue
        last = made_at
        async for first_no, covers, levels, quantiles_w in ports.scores.forecast_blocks(decision_id):
            numbers = range(first_no, min(first_no + quantiles_w.shape[1], len(network.elements)))
            window = Window(covers.first, min(covers.count, QUARTERS_PER_DAY))
            load_w = await _settled(numbers, window, now, network, ports.grid, power_factor)
            figures = await asyncio.to_thread(score, load_w, quantiles_w[:, : len(numbers), :, : window.count], levels)
            for lead_h, part in zip(LEADS_H, figures, strict=True):
                key = (lead_h, first_no)
                sums[key] = sums[key] + part if key in sums else part
    await ports.scores.keep_scores([_record(day, lead_h, no, part) for (lead_h, no), part in sums.items()])
    return int(last is not None)


def score(load_w: Floats, quantiles_w: Floats, levels: Sequence[float]) -> list[Floats]:
    """Figures (4, E) for each class of leads: values, exceedances, sum of |error| [W], sum of margins [W].

    Args:
        load_w: What came [W], shape (E, 3, T); NaN is not scored.
        quantiles_w: What was forecast [W], shape (Q, E, 3, T), quarter 0 being the first after it was made.
        levels: Of the quantiles, ascending; the last one is the upper bound.
    """
    median_w, upper_w = quantiles_w[len(levels) // 2], quantiles_w[-1]
    known = ~(np.isnan(load_w) | np.isnan(upper_w))
    with np.errstate(invalid="ignore"):
        parts = (known, known & (load_w > upper_w), np.abs(load_w - median_w), upper_w - median_w)
    figures, start = [], 0
    for lead_h in LEADS_H:
        stop = min(int(lead_h * 4), load_w.shape[2])
        cut = (slice(None), slice(None), slice(start, stop))
        figures.append(np.stack([np.where(known[cut], p[cut], 0.0).sum(axis=(1, 2)) for p in parts]))
        start = stop
    return figures


async def _settled(
    numbers: range, window: Window, now: datetime, network: Network, grid: GridStore, power_factor: float
) -> Floats:
    """Non-controllable load of elements as it is known now [W], (E, 3, T)."""
    measured_w = await grid.loads("element", numbers, window, now)
    used_w = np.zeros_like(measured_w)
    if await grid.load_span("group") is not None:
        for first in range(0, len(network.groups), GROUPS_AT_ONCE):
            groups = range(first, min(first + GROUPS_AT_ONCE, len(network.groups)))
            rows, elements = paths_into(network, groups, numbers)
            if rows.size:
                group_w = known_use(await grid.loads("group", groups, window, now))
                np.add.at(used_w, elements, group_w[rows].astype(used_w.dtype))
    return settle(measured_w, used_w, network.limit_w(power_factor)[numbers.start : numbers.stop]).load_w


def _record(day: int, lead_h: float, first_no: int, figures: Floats) -> Score:
    values, exceeded, error_w, margin_w = figures.astype(np.float32)
    return Score(
        day=day, lead_h=lead_h, first_no=first_no, values=values, exceeded=exceeded, error_w=error_w, margin_w=margin_w
    )
