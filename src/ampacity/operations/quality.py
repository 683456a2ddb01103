"""Can the forecasts be trusted: what was promised against what happened, what the margin costs, where data lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ampacity.console_ports import CycleLine, Score, Views
from ampacity.operations.score import LEADS_H
from ampacity.operations.situation import Situation
from ampacity.ports import Floats
from ampacity.timegrid import EPOCH

DAYS = 28
WORST = 20
FEWEST_VALUES = 96


@dataclass(frozen=True, kw_only=True)
class LeadScore:
    """How forecasts of one class of leads did."""

    lead_h: float
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


async def quality(situation: Situation, *, views: Views, element_no: int | None = None) -> Quality:
    """How the forecasts of all elements, or of one, did in the last weeks."""
    today = (situation.at - EPOCH).days
    elements = len(situation.network.elements)
    sums = {lead_h: np.zeros((4, elements)) for lead_h in LEADS_H}
    for part in await views.scores(today - DAYS, today):
        if part.lead_h in sums:
            _add(sums[part.lead_h], part)
    if element_no is not None:
        sums = {lead_h: figures[:, element_no : element_no + 1] for lead_h, figures in sums.items()}
    leads = [_lead(lead_h, figures.sum(axis=1)) for lead_h, figures in sums.items()]
    total = np.sum(list(sums.values()), axis=0)
    return Quality(
        promised=0.01 if situation.newest is None else situation.newest.risk,
        by_lead=[s for s in leads if s.values],
        worst=[] if element_no is not None else _worst(situation, total),
        unmeasured=[str(situation.network.elements[e].element_id) for e in np.flatnonzero(situation.now_quarter < 0)],
        cycles=[] if element_no is not None else await views.cycles(situation.at, 96),
    )


def _add(figures: Floats, part: Score) -> None:
    stop = min(part.first_no + len(part.values), figures.shape[1])
    rows = slice(part.first_no, stop)
    for i, values in enumerate((part.values, part.exceeded, part.error_w, part.margin_w)):
        figures[i, rows] += values[: stop - part.first_no]


def _lead(lead_h: float, figures: Floats) -> LeadScore:
    values = max(float(figures[0]), 1.0)
    return LeadScore(
        lead_h=lead_h, values=int(figures[0]), exceeded=float(figures[1]) / values,
        error_w=float(figures[2]) / values, margin_w=float(figures[3]) / values,
    )  # fmt: skip


def _worst(situation: Situation, total: Floats) -> list[ElementScore]:
    enough = np.flatnonzero(total[0] >= FEWEST_VALUES)
    share = total[1, enough] / total[0, enough]
    chosen = enough[np.argsort(-share, kind="stable")[:WORST]]
    return [
        ElementScore(
            element_no=int(e), element_id=str(situation.network.elements[e].element_id), values=int(total[0, e]),
            exceeded=float(total[1, e] / total[0, e]), error_w=float(total[2, e] / total[0, e]),
            margin_w=float(total[3, e] / total[0, e]),
        )
        for e in chosen
    ]  # fmt: skip


def marks_of(cycle: CycleLine) -> dict[str, int]:
    """Quarters of the history without a usable value that a cycle found, by their mark."""
    marks = (cycle.summary or {}).get("marks")
    return {str(k): int(v) for k, v in marks.items()} if isinstance(marks, dict) else {}


def day_of(moment: datetime) -> int:
    """Days since 1970-01-01."""
    return (moment - EPOCH).days
