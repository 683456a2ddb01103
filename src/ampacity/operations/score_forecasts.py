"""What was forecast against what came: scored once a day of loads is there, and kept."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from ampacity.forecasting import ForecastSettings
from ampacity.forecasting.quality import FIGURES, LEAD_CLASSES, ForecastScore, score_forecast
from ampacity.network import Network
from ampacity.operations.forecast_plan import make_plan
from ampacity.operations.settings import CycleSettings
from ampacity.operations.settled_loads import Reader
from ampacity.ports import CycleStore, ForecastQuality, GridStore
from ampacity.timegrid import quarter_at

DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=14)  # older cycles are not scored any more


async def score_forecasts(
    at: datetime,
    *,
    grid: GridStore,
    cycles: CycleStore,
    quality: ForecastQuality,
    forecast: ForecastSettings,
    cycle: CycleSettings,
) -> int:
    """Score the forecasts of which a whole day has come; gives how many cycles were scored.

    Raises:
        NotReady: there is no grid yet.
    """
    slots = await quality.unscored_slots(at - LOOK_BACK, at - DAY - timedelta(minutes=cycle.measurement_delay_min))
    if not slots:
        return 0
    plan = await make_plan(at, grid=grid, cycles=cycles, forecast=forecast, cycle=cycle)
    reader = Reader(plan, grid, has_use=await grid.load_span("group") is not None)
    days = -(-(plan.origin - quarter_at(slots[0])) // 96)
    for slot in slots:
        async for first_no, said in quality.forecasts_of(slot):
            block = range(first_no, first_no + said.load_w.shape[1])
            settled, window = await reader.start(block, days)
            begin = said.window.first - window.first
            came_w = settled.load_w[:, :, begin : begin + said.window.count]
            came_w = np.pad(came_w, ((0, 0), (0, 0), (0, said.window.count - came_w.shape[2])), constant_values=np.nan)
            score = await asyncio.to_thread(score_forecast, said, came_w, forecast.risk)
            await quality.keep_score(slot, first_no, score)
    return len(slots)


async def forecast_quality(since: datetime, *, grid: GridStore, quality: ForecastQuality) -> dict[str, object]:
    """The figures of all forecasts scored since a time: by lead, and the elements that exceed most."""
    network = await grid.network()
    total = np.zeros((len(FIGURES), len(network.elements), 3, len(LEAD_CLASSES)))
    scored = 0
    for first_no, score in await quality.scores(since):
        total[:, first_no : first_no + score.sums.shape[1]] += score.sums
        scored += first_no == 0
    found = ForecastScore(sums=total)
    return {"cycles": scored, "by_lead": _by_lead(found), "worst": _worst(found, network)}


def _by_lead(score: ForecastScore) -> list[Mapping[str, object]]:
    columns = {name: score.mean(name, axis=(0, 1)) for name in FIGURES[1:]}
    quarters = score.of("quarters").sum(axis=(0, 1))
    return [
        {"lead": name, "quarters": int(quarters[c]), **{figure: float(v[c]) for figure, v in columns.items()}}
        for c, (name, _, _) in enumerate(LEAD_CLASSES)
        if quarters[c]
    ]


def _worst(score: ForecastScore, network: Network, count: int = 10) -> list[Mapping[str, object]]:
    above = np.nan_to_num(score.mean("above", axis=2), nan=-1.0)
    order = np.argsort(-above, axis=None)[:count]
    columns = {name: score.mean(name, axis=2).ravel() for name in FIGURES[1:]}
    return [
        {
            "element_id": str(network.elements[at // 3].element_id),
            "phase": int(at % 3) + 1,
            **{name: float(values[at]) for name, values in columns.items()},
        }
        for at in order
        if above.ravel()[at] >= 0
    ]
