"""The grid's three tables: elements, groups and providers as records, each fault with its line and column."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ampacity.intake.faults import FaultList, Place
from ampacity.intake.source import chunks, find_source
from ampacity.network import Element, ElementId, Group, GroupId, PowerUnit, Provider, ProviderId, grid_faults
from ampacity.network.connections import Connections, parsed_connections

COLUMNS = {
    "elements": (
        "element_id", "kind", "parent_id", "nominal_voltage_v", "rated_current_a", "rated_power_va", "phases",
        "latitude", "longitude", "name",
    ),
    "groups": (
        "group_id", "provider_id", "element_id", "phases", "contracted_import_w", "firm_import_w",
        "contracted_export_w", "firm_export_w", "unit", "all_or_nothing",
    ),
    "providers": ("provider_id", "name"),
}  # fmt: skip
OPTIONAL = {"elements": ("connections",), "groups": ("all_or_nothing",)}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The records of a folder; None where their table cannot be read."""

    elements: tuple[Element, ...] | None
    groups: tuple[Group, ...] | None
    providers: tuple[Provider, ...] | None


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One line: its cells as text, and where to note what is wrong with them."""

    number: int
    cells: Mapping[str, str]
    place: Place
    faults: FaultList
    wrong: list[str] = field(default_factory=list)

    def fault(self, column: str, why: str) -> None:
        self.wrong.append(column)
        self.faults.add(self.place, f"{why} ({self.cells[column]!r})", row=self.number, column=column)

    def text(self, column: str) -> str:
        if not self.cells[column]:
            self.fault(column, "is empty")
        return self.cells[column]

    def number_or_none(self, column: str) -> float | None:
        return self.number_of(column) if self.cells[column] else None

    def number_of(self, column: str) -> float:
        """The number, or 1 (which no later rule refuses) where it is none."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if math.isfinite(value) and "_" not in self.cells[column]:
            return value
        self.fault(column, "is no finite number" if self.cells[column] else "is empty")
        return 1.0

    def phases(self, column: str = "phases") -> tuple[int, ...]:
        text = self.cells[column]
        if text and set(text) <= set("123") and len(set(text)) == len(text):
            return tuple(int(p) for p in sorted(text))
        self.fault(column, "must be some of 1, 2, 3, each once, as in 123")
        return (1, 2, 3)

    def connections(self, column: str = "connections") -> Connections:
        try:
            return parsed_connections(self.cells.get(column, ""))
        except ValueError as wrong:
            self.fault(column, str(wrong))
            return ()

    def one_of(self, column: str, choices: type[StrEnum]) -> str:
        if self.cells[column] in [choice.value for choice in choices]:
            return self.cells[column]
        self.fault(column, f"must be one of {', '.join(choice.value for choice in choices)}")
        return next(iter(choices)).value

    def is_true(self, column: str) -> bool:
        """Whether an optional cell says true; false where it is empty or not there."""
        text = self.cells.get(column, "").lower()
        if text not in {"", "true", "false"}:
            self.fault(column, "must be true, false or empty")
        return text == "true"


def read_grid(folder: Path, faults: FaultList) -> Grid:
    """The records of the three tables; with faults noted, the records are only good for finding more of them."""
    elements = _rows(folder, "elements", faults)
    groups = _rows(folder, "groups", faults)
    providers = _rows(folder, "providers", faults)
    if elements is not None and not elements:
        faults.add(Place(file="elements.csv"), "has no elements: a grid needs one at least")
    grid = Grid(
        elements=None if elements is None else tuple(_element(row) for row in elements),
        groups=None if groups is None else tuple(_group(row) for row in groups),
        providers=None if providers is None else tuple(_provider(row) for row in providers),
    )
    if grid.elements is None:
        return grid
    sound = [group for group, row in zip(grid.groups or (), groups or (), strict=True) if not row.wrong]
    named = {group.provider_id: Provider(provider_id=group.provider_id, name="") for group in sound}
    located = _Located(elements=elements or [], groups=groups or [], providers=providers or [])
    for fault in grid_faults(
        grid.elements, sound, tuple(named.values()) if providers is None else grid.providers or ()
    ):
        located.note(fault, faults)
    for element in orphans(grid.elements):
        located.note(
            f"element {element.element_id}: has no parent_id, while every other {element.kind} has one", faults
        )
    return grid


def orphans(elements: Iterable[Element]) -> Iterator[Element]:
    """Roots that look like a forgotten parent: nothing is behind them and every other element of their kind has one.

    A forest is a good grid (several stations in one folder), so a second root alone is no fault.
    """
    elements = tuple(elements)
    parents = {e.parent_id for e in elements if e.parent_id is not None}
    leaves = [e for e in elements if e.parent_id is None and e.element_id not in parents]
    heads = {e.kind for e in elements if e.parent_id is None and e.element_id in parents}
    inner = {e.kind for e in elements if e.parent_id is not None}
    return (e for e in leaves if heads and e.kind in inner and e.kind not in heads)


def _rows(folder: Path, table: str, faults: FaultList) -> list[_Row] | None:
    source = find_source(folder, table, COLUMNS[table], faults, optional=OPTIONAL.get(table, ()))
    if source is None:
        if not any(folder.glob(f"{table}.*")):
            faults.add(Place(file=f"{table}.csv"), "is missing")
        return None
    rows: list[_Row] = []
    broken_lines = 0  # a quoted cell may hold line breaks
    for frame in chunks(source, faults):
        text = frame.astype(object).where(frame.notna(), "").astype(str)
        for number, cells in zip(text.index, text.itertuples(index=False, name=None), strict=True):
            record = dict(zip(text.columns, cells, strict=True))
            rows.append(_Row(number=number + broken_lines, cells=record, place=source.place, faults=faults))
            broken_lines += sum(cell.count("\n") for cell in cells)
    return rows


def _element(row: _Row) -> Element:
    return Element(
        element_id=ElementId(row.text("element_id")),
        kind=row.text("kind"),
        parent_id=ElementId(row.cells["parent_id"]) if row.cells["parent_id"] else None,
        nominal_voltage_v=row.number_of("nominal_voltage_v"),
        rated_current_a=row.number_or_none("rated_current_a"),
        rated_power_va=row.number_or_none("rated_power_va"),
        phases=row.phases(),
        latitude=row.number_or_none("latitude"),
        longitude=row.number_or_none("longitude"),
        name=row.cells["name"],
        connections=row.connections(),
    )


def _group(row: _Row) -> Group:
    return Group(
        group_id=GroupId(row.text("group_id")),
        provider_id=ProviderId(row.text("provider_id")),
        element_id=ElementId(row.text("element_id")),
        phases=row.phases(),
        contracted_import_w=row.number_of("contracted_import_w"),
        firm_import_w=row.number_of("firm_import_w"),
        contracted_export_w=row.number_of("contracted_export_w"),
        firm_export_w=row.number_of("firm_export_w"),
        unit=PowerUnit(row.one_of("unit", PowerUnit)),
        all_or_nothing=row.is_true("all_or_nothing"),
    )


def _provider(row: _Row) -> Provider:
    return Provider(provider_id=ProviderId(row.text("provider_id")), name=row.cells["name"])


class _Located:
    """Finds the line and the column that a fault of the grid speaks of: it begins with the kind and id of a record."""

    def __init__(self, **tables: list[_Row]) -> None:
        self._rows = {
            what: {row.cells[f"{what}_id"]: row for row in tables[f"{what}s"]}
            for what in ("element", "group", "provider")
        }

    def note(self, fault: str, faults: FaultList) -> None:
        what, _, rest = fault.partition(" ")
        row = self._row(what, rest)
        column = next((c for c in row.cells if c in rest), None) or _column_meant(what, rest)
        faults.add(row.place, fault, row=row.number, column=column)

    def _row(self, what: str, rest: str) -> _Row:
        """The row of the longest id that the text begins with; the last one where the id is there several times."""
        words = rest.split(" ")
        for n in range(len(words), 0, -1):
            name = " ".join(words[:n])
            row = self._rows[what].get(name) or self._rows[what].get(name.removesuffix(":"))
            if row is not None:
                return row
        raise LookupError(f"no {what} is named in: {rest}")


def _column_meant(what: str, fault: str) -> str:
    """The column of a rule that does not name it."""
    meant = {
        " is there ": f"{what}_id",
        "parent": "parent_id",
        ": provider ": "provider_id",
        ": element ": "element_id",
    }
    return next((column for words, column in meant.items() if words in fault), f"{what}_id")
