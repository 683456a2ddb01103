"""What a distribution grid is made of, as records: elements, groups, providers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from ampacity.network.connections import Connections

ElementId = NewType("ElementId", str)
GroupId = NewType("GroupId", str)
ProviderId = NewType("ProviderId", str)

PHASES = 3  # arrays always have three; a phase that an element lacks has limit 0


class PowerUnit(StrEnum):
    """The unit in which a group's capacity stands on the wire."""

    A = "A"
    W = "W"
    KW = "KW"


class Direction(StrEnum):
    """Which way power flows: from the grid, or back into it."""

    IMPORT = "import"
    EXPORT = "export"


class ForecastKind(StrEnum):
    """The five kinds of capacity forecast."""

    CONSUMPTION = "CONSUMPTION"
    GENERATION = "GENERATION"
    FALLBACK_CONSUMPTION = "FALLBACK_CONSUMPTION"
    FALLBACK_GENERATION = "FALLBACK_GENERATION"
    OPTIMUM = "OPTIMUM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A network element: anything with a rating.

    `nominal_voltage_v` is between phases (400 in a European street).  Exactly one of
    the two ratings is given: the current per phase, or the apparent power over all
    phases.
    """

    element_id: ElementId
    kind: str
    parent_id: ElementId | None
    nominal_voltage_v: float
    rated_current_a: float | None
    rated_power_va: float | None
    phases: tuple[int, ...]  # of 1, 2, 3
    latitude: float | None = None
    longitude: float | None = None
    name: str = ""
    connections: Connections = ()  # behind it, for as long as nothing has been measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A capacity group: one provider's connections behind one element, and what its contract says."""

    group_id: GroupId
    provider_id: ProviderId
    element_id: ElementId
    phases: tuple[int, ...]
    contracted_import_w: float
    firm_import_w: float
    contracted_export_w: float
    firm_export_w: float
    unit: PowerUnit
    all_or_nothing: bool = False  # a request is granted in full or refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A Flexibility Provider: a company with groups."""

    provider_id: ProviderId
    name: str
