"""The grid, what is measured in it, and where both are read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import Weather, WeatherRows
from ampacity.network import Network
from ampacity.people import LimitChange
from ampacity.ports.values import Floats, Subject
from ampacity.timegrid import Window


class Series(Protocol):
    """A window of loads: `load_w` (N, 3, T) [W], NaN where nothing is given."""

    @property
    def window(self) -> Window: ...
    @property
    def load_w(self) -> NDArray[np.float32]: ...


class WeatherSource(Protocol):
    """Where weather comes from; places are (latitude, longitude) [degrees]."""

    async def forecast(self, places: Sequence[tuple[float, float]], now: datetime) -> WeatherRows:
        """The newest forecast.

        Raises:
            Unreachable, Refused: it does not answer, or refuses.
        """
        ...

    async def forecast_of_the_day_before(
        self, places: Sequence[tuple[float, float]], first: date, last: date
    ) -> WeatherRows:
        """For past days what had been forecast a day before.

        Raises:
            Unreachable, Refused: as `forecast`.
        """
        ...


class Input(Protocol):
    """A checked input: a grid and its series, in the order of the grid's records."""

    @property
    def network(self) -> Network: ...
    @property
    def measurements(self) -> Series: ...
    @property
    def group_measurements(self) -> Series: ...
    @property
    def weather(self) -> WeatherRows: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import changed."""

    records_added: int
    records_changed: int
    values_added: int
    values_corrected: int
    weather_added: int

    @property
    def is_nothing(self) -> bool:
        return not any(
            (
                self.records_added,
                self.records_changed,
                self.values_added,
                self.values_corrected,
                self.weather_added,
            )
        )


class GridStore(Protocol):
    """The grid and its series."""

    async def take_in(self, given: Input, corrected_at: datetime) -> Imported:
        """Store an input, all of it or nothing; what is stored already is left as it is.

        A value that differs from the stored one is kept beside it, as known from `corrected_at` on.

        Raises:
            Unsuitable: with what is stored it would be no grid, or weather contradicts what is stored.
        """
        ...

    async def measure(
        self, subject: Subject, first_no: int, window: Window, load_w: Floats, known_at: datetime
    ) -> None:
        """Store new values [W], shape (subjects, 3, T)."""
        ...

    async def take_in_loads(self, subject: Subject, series: Series, known_at: datetime) -> tuple[int, int]:
        """Store what is new in values of all subjects, as known from a moment on; gives how many are new, and other.

        A value that differs from the stored one is kept beside it; what is stored already is left as it is.
        """
        ...

    async def network(self) -> Network:
        """The grid as it is now; an index is the stored number."""
        ...

    async def limit_changes(self, window: Window, known_at: datetime) -> Sequence[LimitChange]:
        """Limits that people set and that touch a window, as known at a moment, in the order in which they were set."""
        ...

    async def version(self) -> "GridVersion":
        """The newest change of the grid."""
        ...

    async def loads(self, subject: Subject, numbers: range, window: Window, known_at: datetime) -> Floats:
        """Mean power [W], shape (subjects, 3, T); NaN where nothing was known."""
        ...

    async def load_span(self, subject: Subject = "element") -> Window | None:
        """The window that holds all stored values; None where there is none."""
        ...

    async def take_in_weather(self, rows: WeatherRows) -> int:
        """Store weather, each issue beside those before; gives how many values were new.

        Raises:
            Unsuitable: it contradicts what is stored for the same place, time and issue.
        """
        ...

    async def weather(self, window: Window, known_at: datetime) -> Weather:
        """Weather of all cells as it was known at a moment, on start-stamped quarters."""
        ...


@dataclass(frozen=True, slots=True)
class GridVersion:
    """How many changes of elements and of contracts were known."""

    element_changes: int
    contract_changes: int
