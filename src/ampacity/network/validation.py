"""What makes a grid unusable, all of it at once."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ampacity.network.types import Element, ElementId, Group, Provider


def grid_faults(elements: Sequence[Element], groups: Sequence[Group], providers: Sequence[Provider]) -> list[str]:
    """Every reason why these records are no grid; empty when they are one."""
    return [
        *_repeated("element", (e.element_id for e in elements)),
        *_repeated("group", (g.group_id for g in groups)),
        *_repeated("provider", (p.provider_id for p in providers)),
        *_tree_faults(elements),
        *(fault for element in elements for fault in element_faults(element)),
        *_group_faults(elements, groups, providers),
    ]


def element_faults(element: Element) -> Iterator[str]:
    """What is wrong with one element, its place in the tree left aside."""
    name = f"element {element.element_id}"
    if not _positive(element.nominal_voltage_v):
        yield f"{name}: nominal_voltage_v is {element.nominal_voltage_v}, must be above 0"
    ratings = {"rated_current_a": element.rated_current_a, "rated_power_va": element.rated_power_va}
    given = {field: value for field, value in ratings.items() if value is not None}
    if len(given) != 1:
        yield f"{name}: give one of rated_current_a and rated_power_va, not {len(given)}"
    for field, value in given.items():
        if not _positive(value):
            yield f"{name}: {field} is {value}, must be above 0"
    if not _are_phases(element.phases):
        yield f"{name}: phases are {element.phases}, must be some of 1, 2, 3, each once"
    if element.latitude is not None and not -90 <= element.latitude <= 90:
        yield f"{name}: latitude is {element.latitude}, must be within -90 and 90"
    if element.longitude is not None and not -180 <= element.longitude <= 180:
        yield f"{name}: longitude is {element.longitude}, must be within -180 and 180"


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _are_phases(phases: tuple[int, ...]) -> bool:
    return bool(phases) and len(set(phases)) == len(phases) and set(phases) <= {1, 2, 3}


def _repeated(what: str, ids: Iterable[str]) -> list[str]:
    return [f"{what} {name} is there {n} times" for name, n in Counter(ids).items() if n > 1]


def _tree_faults(elements: Sequence[Element]) -> Iterator[str]:
    parent_of = {e.element_id: e.parent_id for e in elements}
    for element in elements:
        if element.parent_id is not None and element.parent_id not in parent_of:
            yield f"element {element.element_id}: parent {element.parent_id} is not in the grid"
    settled: set[ElementId] = set()
    for start in parent_of:
        path: dict[ElementId, None] = {}
        node: ElementId | None = start
        while node is not None and node in parent_of and node not in settled:
            if node in path:
                ring = list(path)[list(path).index(node) :]
                yield f"element {node}: its parents lead back to itself ({' -> '.join([*ring, node])})"
                break
            path[node] = None
            node = parent_of[node]
        settled.update(path)


def _group_faults(elements: Sequence[Element], groups: Sequence[Group], providers: Sequence[Provider]) -> Iterator[str]:
    by_id = {e.element_id: e for e in elements}
    known = {p.provider_id for p in providers}
    for group in groups:
        name = f"group {group.group_id}"
        if group.provider_id not in known:
            yield f"{name}: provider {group.provider_id} is not known"
        element = by_id.get(group.element_id)
        if element is None:
            yield f"{name}: element {group.element_id} is not in the grid"
        elif not set(group.phases) <= set(element.phases):
            yield f"{name}: phases {group.phases} are not all phases of element {group.element_id} {element.phases}"
        if not _are_phases(group.phases):
            yield f"{name}: phases are {group.phases}, must be some of 1, 2, 3, each once"
        yield from _contract_faults(group)


def _contract_faults(group: Group) -> Iterator[str]:
    for direction, contracted_w, firm_w in (
        ("import", group.contracted_import_w, group.firm_import_w),
        ("export", group.contracted_export_w, group.firm_export_w),
    ):
        for field, value in (("contracted", contracted_w), ("firm", firm_w)):
            if not math.isfinite(value) or value < 0:
                yield f"group {group.group_id}: {field}_{direction}_w is {value}, must be 0 or more"
        if firm_w > contracted_w:
            yield (
                f"group {group.group_id}: firm_{direction}_w is {firm_w}, "
                f"must not be above contracted_{direction}_w {contracted_w}"
            )
