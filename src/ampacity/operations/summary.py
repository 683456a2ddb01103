"""A cycle in a few figures, for people and programs."""

from dataclasses import dataclass

import numpy as np

from ampacity.network import Direction, ForecastKind
from ampacity.operations.decide import Decided
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.outlook import Gathered
from ampacity.ports import AwayGroups, Floats, JsonObject
from ampacity.timegrid import moment_of

TIGHTEST = 5
NAMED = 20  # providers that are away, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Messages of a cycle by kind: those written, and those that would have told who is connected nothing new."""

    sent: dict[str, int]
    held_back: dict[str, int]


def summarise(
    plan: Plan, gathered: Gathered, decided: Decided, messages: Messages, away: AwayGroups | None
) -> JsonObject:
    """What the cycle rested on and what it decided."""
    consumption = decided.table(ForecastKind.CONSUMPTION)
    assert consumption is not None
    return {
        "elements": len(plan.network.elements),
        "groups": len(plan.network.groups),
        "refitted": gathered.refitted,
        "marks": dict(gathered.marks),
        "sources": gathered.sources(),
        "weather": _weather_words(plan),
        "weather_age_h": weather_age_h(plan),
        "weather_free_quarters": gathered.weather_free_quarters,
        "allocated_w": round(float(consumption.capacity_w[:, 0].sum()), 1),
        "messages": sum(messages.sent.values()),
        "sent": dict(messages.sent),
        "held_back": dict(messages.held_back),
        "away": _away(plan, away),
        "tightest": _tightest(plan, gathered.headroom_w[Direction.IMPORT]),
    }


def _away(plan: Plan, away: AwayGroups | None) -> JsonObject:
    """Who was planned with the fallback, not being connected."""
    groups = [] if away is None else [plan.network.groups[g] for g in away.groups.tolist()]
    return {"groups": len(groups), "providers": sorted({g.provider_id for g in groups})[:NAMED]}


def _tightest(plan: Plan, room_w: Floats) -> list[JsonObject]:
    """The elements with the least import headroom in one of the coming quarters."""
    least_w = np.where(plan.limit_w > 0, room_w.min(axis=2), np.inf).min(axis=1)
    return [_tightest_quarter(plan, room_w, int(e)) for e in np.argsort(least_w, kind="stable")[:TIGHTEST]]


def _tightest_quarter(plan: Plan, room_w: Floats, e: int) -> JsonObject:
    by_phase = np.where((plan.limit_w[e] > 0)[:, None], room_w[e], np.inf)
    phase, step = np.unravel_index(int(np.argmin(by_phase)), by_phase.shape)
    return {
        "element_id": plan.network.elements[e].element_id,
        "phase": int(phase) + 1,
        "start": moment_of(plan.origin + int(step)).isoformat(),
        "headroom_w": round(float(by_phase[phase, step]), 1),
        "limit_w": round(float(plan.limit_w[e, phase]), 1),
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
