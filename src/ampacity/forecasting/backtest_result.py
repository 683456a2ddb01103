"""A backtest's forecasts side by side with what came, and the figures of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ampacity.forecasting.backtest import BacktestOrigin
from ampacity.forecasting.scores import (
    Said,
    Score,
    exceeded,
    known_mean,
    margin_at,
    naive_mae_w,
    pinball_loss,
    score,
    value_range_w,
    wrapped_upper,
)
from ampacity.forecasting.types import Floats, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

LEADS = (1, 2, 4, 5, 8, 16, 32, 64, 96)  # quarters from the origin to the end of the interval
JUDGED_DAYS, SETTLING_DAYS = 32, 14  # margins are compared on the newest days, once the conformal rule has settled
WEEK = 7 * QUARTERS_PER_DAY
NAIVE = {
    "persistence_1_day": (QUARTERS_PER_DAY,),
    "persistence_7_days": (WEEK,),
    "mean_of_4_weeks": (WEEK, 2 * WEEK, 3 * WEEK, 4 * WEEK),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A series that is scored: where it stands in the forecasts, and what it is called."""

    index: int  # element * 3 + phase
    element_id: str
    phase: str  # 1, 2, 3 or sum
    step: int = 1  # quarters of the steps in which it was measured


@dataclass
class Collected:
    """Forecasts by target: those made at the day's start, and for more frequent origins those of each lead."""

    rows: Sequence[Row]
    first: int  # first quarter forecast
    days: int
    levels: tuple[float, ...] = ()
    daily: Floats32 = field(default_factory=lambda: np.zeros(0, np.float32))  # (Q, S, N)
    leads: dict[int, Floats32] = field(default_factory=dict)
    cpu_s: float = 0.0
    origins: int = 0

    def add(self, made: BacktestOrigin) -> None:
        """Take in the forecasts of an origin."""
        at = [row.index for row in self.rows]
        flat = made.forecast.load_w.reshape(len(made.forecast.levels), -1, made.forecast.window.count)[:, at]
        if not self.levels:
            self.levels = made.forecast.levels
            self.daily = self._empty()
        self.cpu_s, self.origins = self.cpu_s + made.cpu_s, self.origins + 1
        begin = made.origin - self.first
        if begin % QUARTERS_PER_DAY == 0:
            self.daily[..., begin : begin + QUARTERS_PER_DAY] = flat[..., :QUARTERS_PER_DAY]
        for lead in LEADS:
            target = begin + lead - 1
            if lead <= flat.shape[2] and target < self.days * QUARTERS_PER_DAY:
                self.leads.setdefault(lead, self._empty())[..., target] = flat[..., lead - 1]

    def _empty(self) -> Floats32:
        shape = (len(self.levels), len(self.rows), self.days * QUARTERS_PER_DAY)
        return np.full(shape, np.nan, np.float32)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came: the rows' whole history [W], and where the forecasts begin in it."""

    load_w: Floats  # (S, T)
    begin: int

    def came(self, count: int) -> Floats:
        return self.load_w[:, self.begin : self.begin + count]


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Another's forecasts of a row: quantiles by level over the forecast days [W], NaN where it has none."""

    quantiles: Mapping[float, Floats]


def element_figures(
    collected: Collected, measured: Measured, anchors: Mapping[int, Anchor], risk: float
) -> list[Score]:
    """The figures of each row, in order; `anchors` by position of the row."""
    found = []
    for i, row in enumerate(collected.rows):
        said = said_of(collected, measured, i)
        figures: Score = {"element_id": row.element_id, "phase": row.phase}
        figures |= score(said, risk, value_range_w(measured.load_w[i : i + 1]))[0]
        figures["cpu_s_per_forecast"] = collected.cpu_s / max(1, collected.origins * len(collected.rows))
        figures["naive_mae_w"] = naive_figures(measured, i, said.came_w.shape[1] * row.step)
        if i in anchors:
            figures["against"] = against(said, anchors[i], row, risk)
        found.append(figures)
    return found


def said_of(collected: Collected, measured: Measured, i: int) -> Said:
    """The daily forecasts of one row in its steps."""
    count = collected.days * QUARTERS_PER_DAY
    at = np.arange(count)
    return Said(
        levels=collected.levels,
        load_w=collected.daily[:, i : i + 1],
        came_w=measured.came(count)[i : i + 1].astype(np.float32),
        lead=at % QUARTERS_PER_DAY + 1,
        day=at // QUARTERS_PER_DAY,
    ).in_steps(collected.rows[i].step)


def naive_figures(measured: Measured, i: int, count: int) -> dict[str, float | None]:
    """MAE of the naive forecasts that have the history they need."""
    load_w = measured.load_w[i : i + 1]
    return {
        name: float(naive_mae_w(load_w, measured.begin, count, lags)[0]) if measured.begin >= max(lags) else None
        for name, lags in NAIVE.items()
    }


def against(said: Said, anchor: Anchor, row: Row, risk: float) -> Score:
    """The anchor's figures on the same steps, and ours over them.

    Margins are compared at equal exceedance: both medians with the same conformal rule, learnt on the forecast
    days alone, over the last 32 of them, each scaled to be exceeded in exactly `risk` of the steps.
    """
    levels = tuple(sorted(anchor.quantiles))
    load_w = np.stack([anchor.quantiles[level] for level in levels])[:, None].astype(np.float32)
    steps = load_w.reshape(len(levels), 1, -1, row.step).mean(axis=3)
    known = np.isfinite(steps).all(axis=(0, 1))
    theirs = Said(
        levels=levels, load_w=steps, came_w=np.where(known, said.came_w, np.nan), lead=said.lead, day=said.day
    )
    ours = Said(levels=said.levels, load_w=said.load_w, came_w=theirs.came_w, lead=said.lead, day=said.day)
    mae_w = [float(known_mean(np.abs(s.at(0.5) - s.came_w))[0]) for s in (ours, theirs)]
    both = [level for level in levels if level in said.levels]
    loss = [np.mean([pinball_loss(s.at(q), s.came_w, q)[0] for q in both]) for s in (ours, theirs)]
    margins = [_settled_margin_w(s, risk) for s in (ours, theirs)]
    return {
        "mae_w": mae_w[1],
        "mae_ratio": mae_w[0] / mae_w[1],
        "pinball": {f"{q:g}": float(pinball_loss(theirs.at(q), theirs.came_w, q)[0]) for q in levels},
        "pinball_ratio": float(loss[0] / loss[1]),
        "exceedance": {f"{q:g}": float(known_mean(exceeded(theirs.came_w, theirs.at(q), q))[0]) for q in levels},
        "margin_w": margins[1],
        "margin_ratio": margins[0] / margins[1],
        "delivered_margin_ratio": _delivered_margin_w(ours, risk) / margins[1],
    }


def _settled_margin_w(said: Said, risk: float) -> float:
    """Mean margin of the median with the conformal rule, at exactly the risk, over the last days."""
    median, came = _by_day(said.at(0.5), said), _by_day(said.came_w, said)
    upper = _by_day_of_quarters(median, came, risk)
    return float(margin_at(_last(median), _last(upper), _last(came), risk)[0])


def _delivered_margin_w(said: Said, risk: float) -> float:
    median, upper, came = (_last(_by_day(values, said)) for values in (said.at(0.5), said.at(1 - risk), said.came_w))
    return float(margin_at(median, upper, came, risk)[0])


def _by_day(values: Floats32, said: Said) -> Floats32:
    found: Floats32 = values.reshape(len(values), len(np.unique(said.day)), -1)
    return found


def _by_day_of_quarters(median: Floats32, came: Floats32, risk: float) -> Floats32:
    repeat = QUARTERS_PER_DAY // median.shape[2]
    upper = wrapped_upper(np.repeat(median, repeat, axis=2), np.repeat(came, repeat, axis=2), risk)
    found: Floats32 = upper.reshape(*median.shape, repeat).mean(axis=3)
    return found


def _last(values: Floats32) -> Floats32:
    judged = max(1, min(JUDGED_DAYS, values.shape[1] - SETTLING_DAYS))
    found: Floats32 = values[:, -judged:].reshape(len(values), -1)
    return found


def lead_figures(collected: Collected, measured: Measured, risk: float) -> list[Score]:
    """Error, exceedance, margin and days with an exceedance by exact lead, means over the rows relative to day-ahead.

    Only with origins at every quarter of a day is each target forecast at each lead.
    """
    came = measured.came(collected.days * QUARTERS_PER_DAY)
    day = np.arange(came.shape[1]) // QUARTERS_PER_DAY
    daily = _lead_row(collected, collected.daily, came, day, risk)
    found: list[Score] = []
    for lead, load_w in sorted(collected.leads.items()):
        figures = _lead_row(collected, load_w, came, day, risk)
        relative = {
            f"{name}_ratio": float(np.nanmean(figures[name] / daily[name])) for name in ("mae_w", "margin_at_risk_w")
        }
        shares = {name: float(np.nanmean(figures[name])) for name in ("exceedance", "days_with_exceedance")}
        found.append({"lead_min": 15 * lead, **relative, **shares})
    return found


def _lead_row(collected: Collected, load_w: Floats32, came: Floats, day: Ints, risk: float) -> dict[str, Floats]:
    said = Said(levels=collected.levels, load_w=load_w, came_w=came, lead=day, day=day)
    median, upper = said.at(0.5), said.at(1 - risk)
    known = np.isfinite(median)
    truth = np.where(known, came, np.nan)
    above = np.where(np.isfinite(truth), came > upper, np.nan)
    days = np.stack([np.nansum(above[:, day == d], axis=1) > 0 for d in np.unique(day)], axis=1)
    return {
        "mae_w": known_mean(np.abs(median - truth)),
        "margin_at_risk_w": margin_at(median, upper, truth, risk),
        "exceedance": known_mean(above),
        "days_with_exceedance": days.mean(axis=1),
    }


def overall_figures(elements: Sequence[Score], risk: float) -> Score:
    """Means and worst values over the elements as a whole (phase `sum`)."""
    whole = [e for e in elements if e["phase"] == "sum"]
    level = f"{round(1 - risk, 9):g}"
    exceedance = [e["exceedance"][level] for e in whole]  # type: ignore[index]  # a table by level
    found: Score = {
        "elements": len(whole),
        "rmae": float(np.mean([e["rmae"] for e in whole])),
        "exceedance": float(np.mean(exceedance)),
        "worst_exceedance": float(np.max(exceedance)),
        "days_with_exceedance": float(np.mean([e["days_with_exceedance"] for e in whole])),
    }
    compared = [e["against"] for e in whole if "against" in e]
    for name in ("mae_ratio", "pinball_ratio", "margin_ratio", "delivered_margin_ratio"):
        if compared:
            values = [c[name] for c in compared]  # type: ignore[index]  # a table
            found[name], found[f"worst_{name}"] = float(np.mean(values)), float(np.max(values))
    return found
