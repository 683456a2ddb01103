"""The grid: elements, groups and providers, the tree they form, ratings, validation."""

from ampacity.network.tree import Network
from ampacity.network.types import (
    PHASES,
    Direction,
    Element,
    ElementId,
    ForecastKind,
    Group,
    GroupId,
    PowerUnit,
    Provider,
    ProviderId,
)
from ampacity.network.validation import grid_faults

__all__ = [
    "PHASES",
    "Direction",
    "Element",
    "ElementId",
    "ForecastKind",
    "Group",
    "GroupId",
    "Network",
    "PowerUnit",
    "Provider",
    "ProviderId",
    "grid_faults",
]
