"""What providers ask for: what waits for a decision first, then the newest, each with its story."""

import numpy as np
from litestar import get
from litestar.response import Response

from ampacity.console.front import Asked, console_of
from ampacity.console.render import page
from ampacity.errors import NotFound
from ampacity.operations.element_view import lay
from ampacity.operations.group_view import line_of
from ampacity.timegrid import Window, quarter_at

PER_PAGE = 50


@get("/negotiations")
async def negotiations_page(request: Asked) -> Response[str]:
    """The inbox."""
    console = console_of(request)
    number = request.query_params.get("page", "1")
    at = int(number) if number.isdecimal() and 0 < len(number) < 7 else 1
    rows, found = await console.ports.views.requests(
        group_no=None, waiting=None, limit=PER_PAGE, offset=(max(at, 1) - 1) * PER_PAGE
    )
    return await page(
        request, "negotiations.html", rows=rows, found=found, at=max(at, 1), per_page=PER_PAGE, nan=np.nanmax
    )


@get("/negotiation")
async def negotiation_page(request: Asked) -> Response[str]:
    """One request with all its inputs."""
    console = console_of(request)
    wanted = request.query_params.get("no", "")
    found = await console.ports.views.request(int(wanted)) if wanted.isdecimal() and len(wanted) < 18 else None
    if found is None:
        raise NotFound(f"there is no request {wanted}")
    asked, events, held = found
    situation = await console.lookout.situation(console.clock())
    window = Window(asked.first_quarter, len(asked.wanted_w))
    told_at = asked.decided_at or console.clock()
    kept = await console.ports.views.kept_capacities(
        [asked.group_no],
        asked.kind,
        min(asked.received_at, told_at) - (window.end_moment - window.start_moment),
        told_at,
    )
    before = line_of(asked.kind, [k for k in kept if k.decision_id != asked.decision_id], window)
    held_w = np.full(window.count, np.nan)
    for part in held:
        covers = Window(part.first_quarter, len(part.held_w))
        values = np.full(window.count, np.nan)
        lay(values[None], window, part.held_w[None], covers, since=covers.first)
        held_w = np.where(np.isnan(values), held_w, values)
    network = situation.network
    group = network.groups[asked.group_no]
    return await page(
        request, "negotiation.html", asked=asked, events=events, window=window, before_w=before.capacity_w,
        held_w=held_w,
        group=group, voltage_v=float(network.phase_voltage_v[network.element[asked.group_no]]),
        element=network.elements[int(network.element[asked.group_no])], now_quarter=quarter_at(console.clock()),
        decision=None if asked.decision_id is None else await console.ports.views.decision(asked.decision_id),
    )  # fmt: skip
