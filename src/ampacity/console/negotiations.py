"""What providers ask for: what waits for a decision first, then the newest, each with its story."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from litestar import get
from litestar.response import Response

from ampacity.console.desk import Console
from ampacity.console.front import Asked, console_of
from ampacity.console.render import page
from ampacity.console_ports import HeldBy, RequestLine
from ampacity.errors import NotFound, NotReady
from ampacity.operations.consent import waiting_for_consent
from ampacity.operations.effect import Effect, PathRoom, effect_of, foresee_request, rooms_above
from ampacity.operations.element_view import lay
from ampacity.operations.group_view import line_of
from ampacity.operations.replay import Replayed, recompute
from ampacity.ports import DecisionRecord, Floats
from ampacity.timegrid import Window, quarter_at

PER_PAGE = 50


DONE = {
    "approved": "The request is approved; the rule decides on it as on any other.",
    "refused": "The request is refused; its provider is told with the reason.",
}


@get("/negotiations")
async def negotiations_page(request: Asked) -> Response[str]:
    """The inbox."""
    return await inbox(request)


async def inbox(request: Asked, *, said: str = "", status_code: int = 200) -> Response[str]:
    """What waits for a person, then for the rule, then what was decided."""
    console = console_of(request)
    number = request.query_params.get("page", "1")
    at = int(number) if number.isdecimal() and 0 < len(number) < 7 else 1
    rows, found = await console.ports.views.requests(
        group_no=None, waiting=None, limit=PER_PAGE, offset=(max(at, 1) - 1) * PER_PAGE
    )
    return await page(
        request, "negotiations.html", status_code=status_code, said=said, rows=rows, found=found, at=max(at, 1),
        per_page=PER_PAGE, nan=np.nanmax, for_person=await waiting_for_consent(console.consent_desk),
        done=DONE.get(request.query_params.get("done", "")),
    )  # fmt: skip


@get("/negotiation")
async def negotiation_page(request: Asked) -> Response[str]:
    """One request with all its inputs; `replay=1` computes its decision again."""
    console = console_of(request)
    wanted = request.query_params.get("no", "")
    found = await console.ports.views.request(int(wanted)) if wanted.isdecimal() and len(wanted) < 18 else None
    if found is None:
        raise NotFound(f"there is no request {wanted}")
    asked, events, held = found
    situation = await console.lookout.situation(console.clock())
    window = Window(asked.first_quarter, len(asked.wanted_w))
    network = situation.network
    told = request.query_params.get("replay") == "1" and asked.decision_id is not None
    return await page(
        request, "negotiation.html", situation=situation, asked=asked, events=events, window=window,
        before_w=await _held_before(console, asked, window), held_w=_held(held, window),
        group=network.groups[asked.group_no],
        voltage_v=float(network.phase_voltage_v[network.element[asked.group_no]]),
        element=network.elements[int(network.element[asked.group_no])], now_quarter=quarter_at(console.clock()),
        decision=None if asked.decision_id is None else await console.ports.views.decision(asked.decision_id),
        for_person=[
            c for c in await waiting_for_consent(console.consent_desk) if c.request_no == asked.request_no
        ],
        rests_on=await _rests_on(console, asked), outcome=await _outcome(console, asked),
        replayed=await replayed(console, asked.decision_id, asked, window) if told and asked.decision_id else None,
    )  # fmt: skip


async def _held_before(console: Console, asked: RequestLine, window: Window) -> Floats:
    """What the group held in the quarters before it was decided [W]."""
    told_at = asked.decided_at or console.clock()
    since = min(asked.received_at, told_at) - (window.end_moment - window.start_moment)
    kept = await console.ports.views.kept_capacities([asked.group_no], asked.kind, since, told_at)
    return line_of(asked.kind, [k for k in kept if k.decision_id != asked.decision_id], window).capacity_w


def _held(held: Sequence[HeldBy], window: Window) -> Floats:
    """What the request lets its group hold [W], NaN where it says nothing."""
    held_w = np.full(window.count, np.nan)
    for part in held:
        covers = Window(part.first_quarter, len(part.held_w))
        values = np.full(window.count, np.nan)
        lay(values[None], window, part.held_w[None], covers, since=covers.first)
        held_w = np.where(np.isnan(values), held_w, values)
    return held_w


async def _rests_on(console: Console, asked: RequestLine) -> tuple[DecisionRecord, int | None] | None:
    """What the decision rested on, and the decision whose headroom it shared out."""
    if asked.decision_id is None:
        return None
    record = await console.ports.records.decision(asked.decision_id)
    return record, await console.ports.records.headroom_base(record.decisions_up_to, record.made_at)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a request changed, or would change, for whom."""

    is_foreseen: bool
    effects: Sequence[Effect]
    rooms: Sequence[PathRoom]

    def of_others(self, group_no: int) -> list[Effect]:
        """Groups that did not ask."""
        return [e for e in self.effects if e.group_no != group_no and (e.less_wh or e.more_wh)]


async def _outcome(console: Console, asked: RequestLine) -> Outcome | None:
    ports = console.ports
    if asked.decision_id is not None:
        record = await ports.records.decision(asked.decision_id)
        network = await ports.records.network_at(record.grid)
        effects = await effect_of(record, network, records=ports.records, views=ports.views)
        return Outcome(is_foreseen=False, effects=effects, rooms=())
    [waiting] = await ports.records.requests([asked.request_no])
    foreseen = await foresee_request(waiting, console.clock(), grid=ports.grid, requests=ports.requests)
    if foreseen is None:
        return None
    batch, effects = foreseen
    return Outcome(is_foreseen=True, effects=effects, rooms=rooms_above(batch, asked.group_no))


@dataclass(frozen=True, kw_only=True)
class ReplayShown:
    """A decision computed again: whether it came out the same, or why it cannot be computed; `computed_w` (T,) [W]."""

    result: Replayed | None
    why_not: str = ""
    computed_w: Floats | None = None
    rooms: Sequence[PathRoom] = ()


async def replayed(
    console: Console, decision_id: int, asked: RequestLine | None = None, window: Window | None = None
) -> ReplayShown:
    """Compute a decision again, one at a time on a server."""
    try:
        async with console.one_replay:
            found = await recompute(decision_id, console.ports.records)
    except NotReady as no:
        return ReplayShown(result=None, why_not=str(no))
    if asked is None or window is None:
        return ReplayShown(result=found.compared())
    computed_w = np.full(window.count, np.nan)
    own = found.computed_w(asked.kind, asked.group_no)
    if own is not None:
        covers = Window(own[0].first, own[0].count)
        lay(computed_w[None], window, own[1][None], covers, since=covers.first)
    rooms = () if found.batch is None else rooms_above(found.batch, asked.group_no)
    return ReplayShown(result=found.compared(), computed_w=computed_w, rooms=rooms)
