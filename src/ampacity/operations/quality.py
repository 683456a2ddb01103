"""Can the forecasts be trusted: what was promised against what happened, what the margin costs, where data lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ampacity.console_ports import CycleLine, Views
from ampacity.forecasting.quality import FIGURES, LEAD_CLASSES, ForecastScore, promised_beyond
from ampacity.operations.situation import Situation
from ampacity.ports import ForecastQuality

LOOK_BACK = timedelta(days=28)
LOOK_BACK_WORST = timedelta(days=7)
WORST = 12
FEWEST_VALUES = 96


@dataclass(frozen=True, kw_only=True)
class LeadScore:
    """How forecasts of one class of leads did."""

    lead: str
    values: int
    exceeded: float  # share of the values above the upper quantile
    error_w: float  # mean |load - median| per phase
    margin_w: float  # mean upper quantile - median per phase: what the certainty costs


@dataclass(frozen=True, kw_only=True)
class ElementScore:
    """How the forecasts of one element did, over all leads."""

    element_no: int
    element_id: str
    values: int
    exceeded: float
    error_w: float
    margin_w: float


@dataclass(frozen=True, kw_only=True)
class LevelScore:
    """How often one quantile was passed: above it, below it for levels under one half."""

    level: float
    values: int
    promised: float
    observed: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality of the last weeks."""

    promised: float
    by_lead: Sequence[LeadScore]
    by_level: Sequence[LevelScore]
    worst: Sequence[ElementScore]  # those that exceeded most, in the last week
    unmeasured: Sequence[str]
    cycles: Sequence[CycleLine]


async def quality(situation: Situation, *, views: Views, scores: ForecastQuality) -> Quality:
    """How the forecasts of all elements did in the last weeks."""
    total = await scores.total_scores(situation.at - LOOK_BACK)
    return Quality(
        promised=promised(situation),
        by_lead=_by_lead(total),
        by_level=_by_level(total),
        worst=await _worst(situation, scores),
        unmeasured=[str(situation.network.elements[e].element_id) for e in np.flatnonzero(situation.now_quarter < 0)],
        cycles=await views.cycles(situation.at, 96),
    )


async def element_quality(situation: Situation, element_no: int, scores: ForecastQuality) -> Quality:
    """How the forecasts of one element did in the last weeks."""
    found = await scores.element_scores([element_no], situation.at - LOOK_BACK)
    return Quality(
        promised=promised(situation), by_lead=_by_lead(found), by_level=_by_level(found), worst=[], unmeasured=[],
        cycles=[],
    )  # fmt: skip


def promised(situation: Situation) -> float:
    """The share of quarter hours that may exceed the upper bound."""
    return 0.01 if situation.newest is None else situation.newest.risk


def _by_lead(score: ForecastScore) -> list[LeadScore]:
    quarters = score.of("quarters").sum(axis=(0, 1))
    means = {name: score.mean(name, axis=(0, 1)) for name in FIGURES[1:]}
    return [
        LeadScore(
            lead=lead, values=int(quarters[c]), exceeded=float(means["above"][c]),
            error_w=float(means[FIGURES[1]][c]), margin_w=float(means[FIGURES[4]][c]),
        )
        for c, (lead, _, _) in enumerate(LEAD_CLASSES)
        if quarters[c]
    ]  # fmt: skip


def _by_level(score: ForecastScore) -> list[LevelScore]:
    """All leads together; nothing where none were counted by level."""
    if score.beyond is None:
        return []
    values = float((score.of("quarters") if score.counted is None else score.counted).sum())
    return [
        LevelScore(
            level=level, values=int(values), promised=promised_beyond(level),
            observed=float(score.beyond[i].sum()) / values,
        )
        for i, level in enumerate(score.levels)
        if values
    ]  # fmt: skip


async def _worst(situation: Situation, scores: ForecastQuality) -> list[ElementScore]:
    elements = len(situation.network.elements)
    quarters, above = np.zeros(elements), np.zeros(elements)
    since = situation.at - LOOK_BACK_WORST
    async for first_no, known, passed in scores.counts_above(since):
        stop = min(first_no + len(known), elements)
        quarters[first_no:stop] += known[: stop - first_no]
        above[first_no:stop] += passed[: stop - first_no]
    enough = np.flatnonzero(quarters >= FEWEST_VALUES)
    share = above[enough] / quarters[enough]
    chosen = enough[np.argsort(-share, kind="stable")[:WORST]]
    if not len(chosen):
        return []
    found = await scores.element_scores(chosen.tolist(), since)
    means = {name: found.mean(name, axis=(1, 2)) for name in FIGURES[1:]}
    return [
        ElementScore(
            element_no=int(e), element_id=str(situation.network.elements[e].element_id), values=int(quarters[e]),
            exceeded=float(above[e] / quarters[e]), error_w=float(means[FIGURES[1]][i]),
            margin_w=float(means[FIGURES[4]][i]),
        )
        for i, e in enumerate(chosen.tolist())
    ]  # fmt: skip


def marks_of(cycle: CycleLine) -> dict[str, int]:
    """Quarters of the history without a usable value that a cycle found, by their mark."""
    marks = (cycle.summary or {}).get("marks")
    return {str(k): int(v) for k, v in marks.items()} if isinstance(marks, dict) else {}
