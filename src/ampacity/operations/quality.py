"""Can the forecasts be trusted: what was promised against what happened, what the margin costs, where data lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ampacity.console_ports import CycleLine, Views
from ampacity.forecasting.quality import FIGURES, LEAD_CLASSES, ForecastScore
from ampacity.operations.situation import Situation
from ampacity.ports import ForecastQuality

LOOK_BACK = timedelta(days=28)
WORST = 20
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
class Quality:
    """The quality of the last weeks."""

    promised: float
    by_lead: Sequence[LeadScore]
    worst: Sequence[ElementScore]  # those that exceeded most
    unmeasured: Sequence[str]
    cycles: Sequence[CycleLine]


async def quality(
    situation: Situation, *, views: Views, scores: ForecastQuality, element_no: int | None = None
) -> Quality:
    """How the forecasts of all elements, or of one, did in the last weeks."""
    elements = len(situation.network.elements)
    total = np.zeros((len(FIGURES), elements, 3, len(LEAD_CLASSES)))
    for first_no, part in await scores.scores(situation.at - LOOK_BACK):
        stop = min(first_no + part.sums.shape[1], elements)
        total[:, first_no:stop] += part.sums[:, : stop - first_no]
    shown = ForecastScore(sums=total if element_no is None else total[:, element_no : element_no + 1])
    return Quality(
        promised=0.01 if situation.newest is None else situation.newest.risk,
        by_lead=_by_lead(shown),
        worst=[] if element_no is not None else _worst(situation, shown),
        unmeasured=[str(situation.network.elements[e].element_id) for e in np.flatnonzero(situation.now_quarter < 0)],
        cycles=[] if element_no is not None else await views.cycles(situation.at, 96),
    )


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


def _worst(situation: Situation, score: ForecastScore) -> list[ElementScore]:
    quarters = score.of("quarters").sum(axis=(1, 2))
    means = {name: score.mean(name, axis=(1, 2)) for name in FIGURES[1:]}
    enough = np.flatnonzero(quarters >= FEWEST_VALUES)
    chosen = enough[np.argsort(-means["above"][enough], kind="stable")[:WORST]]
    return [
        ElementScore(
            element_no=int(e), element_id=str(situation.network.elements[e].element_id), values=int(quarters[e]),
            exceeded=float(means["above"][e]), error_w=float(means[FIGURES[1]][e]),
            margin_w=float(means[FIGURES[4]][e]),
        )
        for e in chosen
    ]  # fmt: skip


def marks_of(cycle: CycleLine) -> dict[str, int]:
    """Quarters of the history without a usable value that a cycle found, by their mark."""
    marks = (cycle.summary or {}).get("marks")
    return {str(k): int(v) for k, v in marks.items()} if isinstance(marks, dict) else {}
