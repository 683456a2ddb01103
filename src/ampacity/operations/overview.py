"""Lists of elements for people: sorted, filtered, a page at a time, each with who is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.operations.situation import STALE_QUARTERS, Bools, Situation, State
from ampacity.people import LimitChange
from ampacity.ports import Floats, Ints
from ampacity.timegrid import quarter_at

SORTS = ("headroom", "share", "time", "load", "age", "name")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which elements to show, in which order."""

    words: str = ""
    state: str = ""
    kind: str = ""
    provider: str = ""
    under: str = ""  # at and below this element
    sort: str = "headroom"
    descending: bool = False
    page: int = 1
    per_page: int = 50


@dataclass(frozen=True, kw_only=True)
class ElementRow:
    """An element in a list; powers in W per phase unless said otherwise, NaN and -1: not known."""

    element_no: int
    element_id: str
    name: str
    kind: str
    state: State
    least_w: float
    least_of_w: float
    least_quarter: int
    least_phase: int  # 1, 2, 3
    least_export: bool
    now_w: float  # all phases
    age_quarters: int
    providers: tuple[str, ...]
    groups: int
    is_late: bool  # it is measured no more, or its measurements are late
    limits: tuple[LimitChange, ...]  # that people set
    past_w: Floats
    ahead_w: Floats


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a list."""

    rows: Sequence[ElementRow]
    found: int
    page: int
    pages: int


def overview(situation: Situation, wanted: Wanted) -> Page:
    """The elements that are wanted, a page of them."""
    found = _found(situation, wanted)
    order = found[_order(situation, wanted, found)]
    if wanted.descending:
        order = order[::-1]
    pages = max(1, -(-len(order) // wanted.per_page))
    page = min(max(1, wanted.page), pages)
    shown = order[(page - 1) * wanted.per_page : page * wanted.per_page]
    return Page(rows=[element_row(situation, int(e)) for e in shown], found=len(order), page=page, pages=pages)


def counts(situation: Situation) -> dict[State, int]:
    """How many elements are in each state."""
    return {s: int((situation.state == s).sum()) for s in State}


def element_row(situation: Situation, element_no: int) -> ElementRow:
    """One element as lists show it."""
    element = situation.network.elements[element_no]
    groups = situation.groups_behind(element_no)
    age = quarter_at(situation.at) - 1 - int(situation.now_quarter[element_no])
    return ElementRow(
        element_no=element_no,
        element_id=str(element.element_id),
        name=element.name,
        kind=element.kind,
        state=State(int(situation.state[element_no])),
        least_w=float(situation.least_w[element_no]),
        least_of_w=float(situation.least_of_w[element_no]),
        least_quarter=int(situation.least_quarter[element_no]),
        least_phase=int(situation.least_phase[element_no]) + 1,
        least_export=bool(situation.least_export[element_no]),
        now_w=float(situation.now_w[element_no]),
        age_quarters=age if situation.now_quarter[element_no] >= 0 else -1,
        providers=tuple(sorted({str(situation.network.groups[g].provider_id) for g in groups[:1000]})),
        groups=len(groups),
        is_late=bool(situation.now_quarter[element_no] < 0 or age >= STALE_QUARTERS),
        limits=tuple(situation.changes_of(element_no)),
        past_w=situation.past_w[element_no],
        ahead_w=situation.ahead_w[element_no],
    )


def _found(situation: Situation, wanted: Wanted) -> Ints:
    network = situation.network
    keep = np.ones(len(network.elements), bool)
    if wanted.state:
        keep &= situation.state == State[wanted.state.upper()]
    if wanted.kind:
        keep &= np.array([e.kind == wanted.kind for e in network.elements], bool)
    if wanted.words:
        words = wanted.words.lower()
        keep &= np.array([words in e.element_id.lower() or words in e.name.lower() for e in network.elements], bool)
    if wanted.provider:
        keep &= _with_provider(situation, wanted.provider)
    if wanted.under:
        keep &= _under(situation, situation.number_of.get(wanted.under, -1))
    return np.flatnonzero(keep)


def _with_provider(situation: Situation, provider_id: str) -> Bools:
    mine = np.array([g.provider_id == provider_id for g in situation.network.groups], bool)
    keep = np.zeros(len(situation.network.elements), bool)
    at = situation.network.element[mine]
    while at.size:
        keep[at] = True
        at = situation.network.parent[np.unique(at)]
        at = at[at >= 0]
    return keep


def _under(situation: Situation, element_no: int) -> Bools:
    parent = situation.network.parent
    keep: Bools = np.arange(len(parent)) == element_no
    at = parent.copy()
    while (up := at >= 0).any():
        keep |= up & (at == element_no)
        at[up] = parent[at[up]]
    return keep


def _order(situation: Situation, wanted: Wanted, found: Ints) -> Ints:
    last = np.inf
    key: Floats
    match wanted.sort:
        case "share":
            key = np.nan_to_num((situation.least_w / np.maximum(situation.least_of_w, 1e-9))[found], nan=last)
        case "time":
            key = np.where(situation.least_quarter[found] < 0, last, situation.least_quarter[found])
        case "load":
            key = -np.nan_to_num(situation.now_w[found], nan=-last)
        case "age":
            key = situation.now_quarter[found].astype(float)
        case "name":
            ids = np.array([situation.network.elements[e].element_id for e in found], str)
            return np.argsort(ids, kind="stable")
        case _:
            key = np.nan_to_num(situation.least_w[found], nan=last)
    return np.argsort(key, kind="stable")
