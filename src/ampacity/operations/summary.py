"""A cycle in a few figures, for people and programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ampacity.operations.forecast_plan import Plan
from ampacity.operations.outlook import Tally, Tight
from ampacity.ports import AwayGroups, JsonObject
from ampacity.timegrid import moment_of

LAPSED = "lapsed"  # in the summary of a cycle: the requests whose grants it ended
NAMED = 20  # providers that are away, by name


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What was decided of some groups: what they may use now, and the messages by kind.

    Messages are written, or held back as they would have told who is connected nothing new.
    """

    allocated_w: float = 0.0
    sent: Mapping[str, int] = field(default_factory=dict)
    held_back: Mapping[str, int] = field(default_factory=dict)


def summarise(plan: Plan, tally: Tally, decided: Sums, away: AwayGroups | None) -> JsonObject:
    """What the cycle rested on and what it decided."""
    return {
        "elements": len(plan.network.elements),
        "groups": len(plan.network.groups),
        "refitted": tally.refitted,
        "marks": dict(tally.marks),
        "sources": tally.sources(),
        "weather": _weather_words(plan),
        "weather_age_h": weather_age_h(plan),
        "weather_free_quarters": tally.weather_free_quarters,
        "allocated_w": round(decided.allocated_w, 1),
        "messages": sum(decided.sent.values()),
        "sent": dict(decided.sent),
        "held_back": dict(decided.held_back),
        "away": _away(plan, away),
        "tightest": [_tightest(plan, tight) for tight in tally.tightest],
    }


def _away(plan: Plan, away: AwayGroups | None) -> JsonObject:
    """Who was planned with the fallback, not being connected."""
    groups = [] if away is None else [plan.network.groups[g] for g in away.groups.tolist()]
    return {"groups": len(groups), "providers": sorted({g.provider_id for g in groups})[:NAMED]}


def _tightest(plan: Plan, tight: Tight) -> JsonObject:
    """An element with the least import headroom in one of the coming quarters."""
    return {
        "element_id": plan.network.elements[tight.element_no].element_id,
        "phase": tight.phase + 1,
        "start": moment_of(plan.origin + tight.step).isoformat(),
        "headroom_w": round(tight.headroom_w, 1),
        "limit_w": round(float(plan.limit_w[tight.element_no, tight.phase]), 1),
    }


def weather_age_h(plan: Plan) -> float | None:
    """Age of the newest weather forecast, of the place where it is oldest [h]; None where there is none."""
    age_s = plan.weather.issue_age_s
    if age_s is None or not np.isfinite(age_s).any():
        return None
    return round(float(np.nanmax(age_s)) / 3600, 2)


def _weather_words(plan: Plan) -> str:
    if not len(plan.weather.latitude):
        return "none"
    told = "known beforehand (issue times unknown)" if plan.weather.perfect else "as known at the time"
    age_h = weather_age_h(plan)
    if age_h is not None:
        told += f", newest issue {age_h:.1f} h old"
    if plan.weather.stale is not None and plan.weather.stale.any():
        told += f" (stale at {plan.weather.stale.sum()} of {len(plan.weather.stale)} places: not used)"
    return told
