"""Small pictures as SVG: thumbnails, the calibration plot, the grid as a map or a one-line tree."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from ampacity.console.shown import STATES
from ampacity.operations.overview import ElementRow
from ampacity.operations.situation import Situation, State
from ampacity.ports import Floats

WIDTH, HEIGHT = 144, 30
MOST_NODES = 400
_SHAPES = {
    State.OVER: '<rect x="-6" y="-6" width="12" height="12"/>',
    State.TIGHT: '<path d="M0 -7 L7 6 L-7 6 Z"/>',
    State.UNKNOWN: '<circle r="5"/>',
    State.OK: '<circle r="4"/>',
}


def thumbnail(row: ElementRow) -> Markup:
    """Load against limit, 24 h back and 24 h ahead; the space up to the limit is headroom."""
    top_w = row.least_of_w if row.least_of_w > 0 else float(np.nanmax(row.past_w, initial=1.0))
    sign = -1.0 if row.least_export else 1.0
    both = np.concatenate([sign * row.past_w, sign * row.ahead_w]) / top_w
    low = min(0.0, float(np.nanmin(both, initial=0.0)))
    high = max(1.08, float(np.nanmax(both, initial=0.0)) * 1.04)

    def y(share: float) -> float:
        return round((high - share) / (high - low) * HEIGHT, 1)

    past, ahead = _steps(both[:24], 0, y), _steps(both[24:], WIDTH / 2, y)
    return Markup(  # noqa: S704  # numbers only
        f'<svg class="thumb" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f'<path class="zero" d="M0 {y(0.0)}H{WIDTH}"/><path class="past" d="{past}"/><path class="ahead" d="{ahead}"/>'
        f'<path class="limit" d="M0 {y(1.0)}H{WIDTH}"/><path class="now" d="M{WIDTH / 2} 0V{HEIGHT}"/></svg>'
    )


def _steps(shares: Floats, left: float, y: Callable[[float], float]) -> str:
    step = WIDTH / 2 / 24
    parts, drawing = [], False
    for i, share in enumerate(shares.tolist()):
        if math.isnan(share):
            drawing = False
            continue
        x = round(left + i * step, 1)
        parts.append(f"{'L' if drawing else 'M'}{x} {y(share)}H{round(x + step, 1)}")
        drawing = True
    return "".join(parts)


@dataclass(frozen=True, kw_only=True)
class Node:
    """An element on a drawing."""

    element_no: int
    element_id: str
    state: State
    x: float
    y: float
    parent: tuple[float, float] | None
    label: str
    hidden: int  # elements below that are not drawn

    @property
    def shape(self) -> Markup:
        return Markup(_SHAPES[self.state])  # noqa: S704  # constants

    @property
    def state_name(self) -> str:
        return STATES[self.state][0]

    @property
    def state_word(self) -> str:
        return STATES[self.state][2]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A drawing of a part of the grid."""

    nodes: Sequence[Node]
    width: float
    height: float
    left_out: int


def has_places(situation: Situation) -> bool:
    """Whether there are coordinates to draw a map from."""
    return any(e.latitude is not None and e.longitude is not None for e in situation.network.elements)


def map_of(situation: Situation, shown: Sequence[int]) -> Drawing:
    """Elements at their places, the worst ones where there are too many."""
    elements = situation.network.elements
    placed = [e for e in shown if elements[e].latitude is not None and elements[e].longitude is not None]
    chosen = sorted(placed, key=lambda e: (int(situation.state[e]), e))[:MOST_NODES]
    if not chosen:
        return Drawing(nodes=[], width=900, height=520, left_out=len(shown))
    latitude = np.array([elements[e].latitude for e in chosen], float)
    longitude = np.array([elements[e].longitude for e in chosen], float)
    x = (longitude - longitude.min()) * math.cos(math.radians(float(latitude.mean())))
    y = latitude.max() - latitude
    scale = min(840 / max(float(np.ptp(x)), 1e-9), 460 / max(float(np.ptp(y)), 1e-9), 1e7)
    places = {e: (30 + float(x[i]) * scale, 30 + float(y[i]) * scale) for i, e in enumerate(chosen)}
    nodes = [_node(situation, e, places[e], places.get(int(situation.network.parent[e])), 0) for e in chosen]
    return Drawing(nodes=nodes, width=900, height=520, left_out=len(shown) - len(chosen))


def tree_of(situation: Situation, root: int | None) -> Drawing:
    """One-line tree: time-honoured columns by depth, breadth first until it is full."""
    depth = 0
    columns: list[list[int]] = [situation.children_of(root).tolist() if root is None else [root]]
    total = len(columns[0])
    while depth < 4:
        below = [int(c) for e in columns[depth] for c in situation.children_of(e)]
        if not below or total + len(below) > MOST_NODES:
            break
        columns.append(below)
        total += len(below)
        depth += 1
    rows = _rows(situation, list(columns[0]), {e for column in columns for e in column})
    width = 200.0 * len(columns) + 80
    places = {e: (30.0 + 200.0 * d, 24.0 + 22.0 * rows[e]) for d, column in enumerate(columns) for e in column}
    deepest = set(columns[-1])
    nodes = []
    for e, place in places.items():
        hidden = int(situation.below[e].sum()) - 1 if e in deepest else 0
        nodes.append(_node(situation, e, place, places.get(int(situation.network.parent[e])), hidden))
    height = 48.0 + 22.0 * max(rows.values(), default=0.0)
    return Drawing(nodes=nodes, width=width, height=height, left_out=sum(n.hidden for n in nodes))


def _rows(situation: Situation, roots: list[int], drawn: set[int]) -> dict[int, float]:
    """A row for each leaf of the drawing; whoever has children stands at the first of them."""
    rows: dict[int, float] = {}
    free = 0
    stack = list(reversed(roots))
    while stack:
        e = stack.pop()
        rows[e] = free
        children = [int(c) for c in situation.children_of(e) if int(c) in drawn]
        if children:
            stack.extend(reversed(children))
        else:
            free += 1
    return rows


def _node(
    situation: Situation, e: int, place: tuple[float, float], parent: tuple[float, float] | None, hidden: int
) -> Node:
    element = situation.network.elements[e]
    return Node(
        element_no=e, element_id=str(element.element_id), state=State(int(situation.state[e])), x=round(place[0], 1),
        y=round(place[1], 1), parent=parent, label=str(element.element_id), hidden=hidden,
    )  # fmt: skip
