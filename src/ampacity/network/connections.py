"""What is connected behind an element, by kind and number: `household:40;commercial:3;solar_kw:25`."""

import math
from enum import StrEnum


class ConnectionKind(StrEnum):
    """Kinds of connections; solar is counted by its peak power [kW], all others by their number."""

    HOUSEHOLD = "household"
    COMMERCIAL = "commercial"
    HEAT_PUMP = "heat_pump"
    SOLAR_KW = "solar_kw"


Connections = tuple[tuple[ConnectionKind, float], ...]


def parsed_connections(text: str) -> Connections:
    """The connections that a text names, in the order of the kinds.

    >>> [(kind.value, n) for kind, n in parsed_connections("commercial:3; household:40")]
    [('household', 40.0), ('commercial', 3.0)]

    Raises:
        ValueError: says which part is wrong, and what it may be.
    """
    found: dict[ConnectionKind, float] = {}
    for part in (p.strip() for p in text.split(";") if p.strip()):
        name, _, number = part.partition(":")
        kinds = {kind.value: kind for kind in ConnectionKind}
        if name.strip() not in kinds or kinds[name.strip()] in found:
            raise ValueError(f"{part!r} must be one of {', '.join(kinds)}, each once, as in household:40")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0) or "_" in number:
            raise ValueError(f"{part!r} must end in a number of 0 or more, as in household:40")
        found[kinds[name.strip()]] = value
    return tuple((kind, found[kind]) for kind in ConnectionKind if kind in found)


def connections_text(connections: Connections) -> str:
    """The text that `parsed_connections` reads.

    >>> connections_text(parsed_connections("household:40;solar_kw:2.5"))
    'household:40;solar_kw:2.5'
    """
    return ";".join(f"{kind.value}:{number:g}" for kind, number in connections)
