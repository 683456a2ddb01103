"""Words that all ports share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Subject = Literal["element", "group"]
JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject = Mapping[str, JsonValue]


class Clock(Protocol):
    """What time it is, aware UTC: of the data, or of the wall."""

    def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A run of equal steps: `count` of them, each `quarters` long, from quarter `first` on."""

    first: int
    count: int
    quarters: int = 1
