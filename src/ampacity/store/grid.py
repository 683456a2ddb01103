"""The grid in the database: numbers without gaps, a version for each change."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from ampacity.network import (
    Element,
    ElementId,
    Group,
    GroupId,
    Network,
    PowerUnit,
    Provider,
    ProviderId,
)
from ampacity.network.connections import connections_text, parsed_connections
from ampacity.store.pool import Connection
from ampacity.store.sql import sql


@dataclass(frozen=True, slots=True)
class GridChange:
    """How many records an import added, and how many it gave a new version."""

    added: int
    changed: int


async def read_network(connection: Connection) -> Network:
    """The grid as it is now; an element's (group's, provider's) index is its number.

    Raises:
        Unsuitable: what is stored is no grid.
    """
    return network_of(
        await connection.fetch(sql("grid_elements")),
        await connection.fetch(sql("grid_groups")),
        await connection.fetch(sql("grid_providers")),
    )


def network_of(
    elements: Sequence[asyncpg.Record], groups: Sequence[asyncpg.Record], providers: Sequence[asyncpg.Record]
) -> Network:
    """The grid of rows in the order of their numbers."""
    ids = [r["element_id"] for r in elements]
    return Network.of(
        [_element(r, ids) for r in elements],
        [_group(r, ids) for r in groups],
        [Provider(provider_id=ProviderId(r["provider_id"]), name=r["name"]) for r in providers],
    )


async def write_grid(
    connection: Connection, elements: Sequence[Element], groups: Sequence[Group], providers: Sequence[Provider]
) -> GridChange:
    """Add what is new and give a new version to what changed; needs a transaction.

    Raises:
        Unsuitable: together with what is stored it would be no grid.
    """
    await connection.execute(sql("lock_grid"))
    known = await _known(connection)
    added = await _add_ids(connection, known, elements, groups, providers)
    changed = await _write_elements(connection, known, elements) + await _write_groups(connection, known, groups)
    await read_network(connection)
    return GridChange(added=added, changed=changed)


@dataclass(frozen=True, slots=True)
class _Known:
    """Number, version and record of everything stored."""

    providers: dict[str, int]
    elements: dict[str, int]
    groups: dict[str, int]
    element_versions: dict[str, tuple[int, Element]]
    group_versions: dict[str, tuple[int, Group]]


async def _known(connection: Connection) -> _Known:
    elements = await connection.fetch(sql("grid_elements"))
    groups = await connection.fetch(sql("grid_groups"))
    ids = [r["element_id"] for r in elements]
    return _Known(
        providers={r["provider_id"]: r["provider_no"] for r in await connection.fetch(sql("grid_providers"))},
        elements={r["element_id"]: r["element_no"] for r in elements},
        groups={r["group_id"]: r["group_no"] for r in groups},
        element_versions={r["element_id"]: (r["version"], _element(r, ids)) for r in elements},
        group_versions={r["group_id"]: (r["version"], _group(r, ids)) for r in groups},
    )


async def _add_ids(
    connection: Connection,
    known: _Known,
    elements: Sequence[Element],
    groups: Sequence[Group],
    providers: Sequence[Provider],
) -> int:
    new_providers = [p for p in providers if p.provider_id not in known.providers]
    new_elements = [e.element_id for e in elements if e.element_id not in known.elements]
    new_groups = [g.group_id for g in groups if g.group_id not in known.groups]
    rows = [(len(known.providers) + i, p.provider_id, p.name) for i, p in enumerate(new_providers)]
    await _copy(connection, "provider", ["provider_no", "provider_id", "name"], rows)
    known.providers.update({r[1]: r[0] for r in rows})
    for table, no, name, new, numbers in (
        ("element", "element_no", "element_id", new_elements, known.elements),
        ("capacity_group", "group_no", "group_id", new_groups, known.groups),
    ):
        start = len(numbers)
        await _copy(connection, table, [no, name], [(start + i, new_id) for i, new_id in enumerate(new)])
        numbers.update({str(new_id): start + i for i, new_id in enumerate(new)})
    return len(new_providers) + len(new_elements) + len(new_groups)


async def _write_elements(connection: Connection, known: _Known, elements: Sequence[Element]) -> int:
    columns = [
        "element_no", "version", "kind", "parent_no", "nominal_voltage_v", "rated_current_a", "rated_power_va",
        "phases", "latitude", "longitude", "name", "connections",
    ]  # fmt: skip
    rows = []
    for e in elements:
        version, stored = known.element_versions.get(e.element_id, (0, None))
        if e == stored:
            continue
        parent_no = None if e.parent_id is None else known.elements[e.parent_id]
        rows.append(
            (
                known.elements[e.element_id], version + 1, e.kind, parent_no, e.nominal_voltage_v, e.rated_current_a,
                e.rated_power_va, _text(e.phases), e.latitude, e.longitude, e.name,
                connections_text(e.connections),
            )
        )  # fmt: skip
    await _copy(connection, "element_version", columns, rows)
    return sum(1 for row in rows if row[1] != 1)


async def _write_groups(connection: Connection, known: _Known, groups: Sequence[Group]) -> int:
    columns = [
        "group_no", "version", "provider_no", "element_no", "phases", "contracted_import_w", "firm_import_w",
        "contracted_export_w", "firm_export_w", "unit", "all_or_nothing",
    ]  # fmt: skip
    rows = []
    for g in groups:
        version, stored = known.group_versions.get(g.group_id, (0, None))
        if g == stored:
            continue
        rows.append(
            (
                known.groups[g.group_id], version + 1, known.providers[g.provider_id], known.elements[g.element_id],
                _text(g.phases), g.contracted_import_w, g.firm_import_w, g.contracted_export_w, g.firm_export_w,
                g.unit.value, g.all_or_nothing,
            )
        )  # fmt: skip
    await _copy(connection, "contract", columns, rows)
    return sum(1 for row in rows if row[1] != 1)


async def _copy(connection: Connection, table: str, columns: list[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=columns)


def _element(row: asyncpg.Record, ids: Sequence[str]) -> Element:
    return Element(
        element_id=ElementId(row["element_id"]),
        kind=row["kind"],
        parent_id=None if row["parent_no"] is None else ElementId(ids[row["parent_no"]]),
        nominal_voltage_v=row["nominal_voltage_v"],
        rated_current_a=row["rated_current_a"],
        rated_power_va=row["rated_power_va"],
        phases=_phases(row["phases"]),
        latitude=row["latitude"],
        longitude=row["longitude"],
        name=row["name"],
        connections=parsed_connections(row["connections"]),
    )


def _group(row: asyncpg.Record, element_ids: Sequence[str]) -> Group:
    return Group(
        group_id=GroupId(row["group_id"]),
        provider_id=ProviderId(row["provider_id"]),
        element_id=ElementId(element_ids[row["element_no"]]),
        phases=_phases(row["phases"]),
        contracted_import_w=row["contracted_import_w"],
        firm_import_w=row["firm_import_w"],
        contracted_export_w=row["contracted_export_w"],
        firm_export_w=row["firm_export_w"],
        unit=PowerUnit(row["unit"]),
        all_or_nothing=row["all_or_nothing"],
    )


def _text(phases: tuple[int, ...]) -> str:
    return "".join(str(p) for p in sorted(phases))


def _phases(text: str) -> tuple[int, ...]:
    return tuple(int(c) for c in text)
