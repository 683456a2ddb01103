"""Where it is tight: the list of elements, and the grid as a map or a tree."""

from typing import Any
from urllib.parse import urlencode

from litestar import get
from litestar.response import Response

from ampacity.console import drawn
from ampacity.console.front import Asked, console_of
from ampacity.console.render import page
from ampacity.errors import NotFound
from ampacity.operations.overview import SORTS, Wanted, counts, element_row, overview
from ampacity.operations.quality import LOOK_BACK_WORST, promised
from ampacity.operations.situation import Situation, State

MOST_CHILDREN = 200


def wanted_of(request: Asked, per_page: int) -> Wanted:
    """What the address of the page asks for; what it cannot mean is left out."""
    given = request.query_params
    state = given.get("state", "")
    sort = given.get("sort", "headroom")
    number = given.get("page", "1")
    return Wanted(
        words=given.get("words", "").strip(),
        state=state if state.upper() in State.__members__ else "",
        kind=given.get("kind", ""),
        provider=given.get("provider", ""),
        under=given.get("under", ""),
        sort=sort if sort in SORTS else "headroom",
        descending=given.get("down", "") == "1",
        page=int(number) if number.isdecimal() and len(number) < 7 else 1,
        per_page=per_page,
    )


def address_with(wanted: Wanted, **changes: Any) -> str:
    """The address of this list with something changed."""
    now = {
        "words": wanted.words, "state": wanted.state, "kind": wanted.kind, "provider": wanted.provider,
        "under": wanted.under, "sort": wanted.sort, "down": "1" if wanted.descending else "", "page": wanted.page,
    }  # fmt: skip
    now.update(changes)
    usual = {"sort": "headroom", "page": 1}
    return "?" + urlencode({k: v for k, v in now.items() if v and v != usual.get(k)})


@get("/")
async def elements_page(request: Asked) -> Response[str]:
    """All elements by least headroom."""
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    wanted = wanted_of(request, console.settings.rows_per_page)
    shown = overview(situation, wanted)
    numbers = [row.element_no for row in shown.rows]
    return await page(
        request, "overview.html", situation=situation, wanted=wanted, shown=shown,
        exceeded=await console.ports.scores.exceeded(numbers, situation.at - LOOK_BACK_WORST),
        promised=promised(situation), states=await console.ports.views.provider_states(),
        counts=counts(situation), kinds=sorted({e.kind for e in situation.network.elements}),
        providers=situation.network.providers, address=address_with,
    )  # fmt: skip


@get("/grid")
async def grid_page(request: Asked) -> Response[str]:
    """The grid from its roots down, alarms rolled up; drawn as a map where there are coordinates."""
    console = console_of(request)
    situation = await console.lookout.situation(console.clock())
    under = request.query_params.get("under", "")
    root = number_of(situation, under) if under else None
    can_map = drawn.has_places(situation)
    as_map = can_map and request.query_params.get("as", "map") == "map"
    below = situation.children_of(root).tolist()
    shown = sorted(below, key=lambda e: _worst_first(situation, e))[:MOST_CHILDREN]
    everything = range(len(situation.network.elements)) if root is None else _at_and_below(situation, root)
    drawing = drawn.map_of(situation, list(everything)) if as_map else drawn.tree_of(situation, root)
    return await page(
        request, "grid.html", situation=situation, root=None if root is None else element_row(situation, root),
        path_up=_path_up(situation, root), rows=[element_row(situation, e) for e in shown], below=situation.below,
        left_out=len(below) - len(shown), drawing=drawing, as_map=as_map, can_map=can_map,
    )  # fmt: skip


def number_of(situation: Situation, element_id: str) -> int:
    """The number of an element.

    Raises:
        NotFound: there is none with that id.
    """
    if element_id not in situation.number_of:
        raise NotFound(f"there is no element {element_id}")
    return situation.number_of[element_id]


def _worst_first(situation: Situation, e: int) -> tuple[int, ...]:
    below = situation.below[e]
    return (-int(below[State.OVER]), -int(below[State.TIGHT]), -int(below[State.UNKNOWN]), e)


def _at_and_below(situation: Situation, root: int) -> list[int]:
    found, at = [root], [root]
    while at:
        at = [int(c) for e in at for c in situation.children_of(e)]
        found += at
    return found


def _path_up(situation: Situation, element_no: int | None) -> list[str]:
    """Ids from the root down to the parent of an element."""
    path: list[str] = []
    at = -1 if element_no is None else int(situation.network.parent[element_no])
    while at >= 0:
        path.append(str(situation.network.elements[at].element_id))
        at = int(situation.network.parent[at])
    return path[::-1]


path_up = _path_up
