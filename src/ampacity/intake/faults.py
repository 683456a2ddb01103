"""The list of faults: every one is counted, the first of each file are printed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable

SHOWN_PER_FILE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file and what its rows are called in it: lines of a text, rows of a Parquet table."""

    file: str
    row_word: str = "line"
    first_row: int = 2  # what the first row of data is numbered: the header is line 1

    def at(self, row: int | None = None, column: str | None = None) -> str:
        """The place in words; `row` counts the rows of data from 0."""
        where = [self.file]
        if row is not None:
            where.append(f"{self.row_word} {row + self.first_row}")
        if column is not None:
            where.append(f"column {column}")
        return ", ".join(where)


@dataclass(slots=True)
class FaultList:
    """Collects what is wrong in a folder."""

    _shown: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def add(self, place: Place, why: str, *, row: int | None = None, column: str | None = None) -> None:
        """Note one fault."""
        self._note(place, [(-1 if row is None else row, f"{place.at(row, column)}: {why}")], 1)

    def add_rows(self, place: Place, column: str, rows: NDArray[np.int64], why: Callable[[int], str]) -> None:
        """Note the same kind of fault in many rows; `why` is asked for the i-th of `rows`."""
        order = np.argsort(rows, kind="stable")[:SHOWN_PER_FILE]
        lines = [(int(rows[i]), f"{place.at(int(rows[i]), column)}: {why(int(i))}") for i in order]
        self._note(place, lines, len(rows))

    def _note(self, place: Place, lines: Iterable[tuple[int, str]], count: int) -> None:
        self._shown.setdefault(place.file, []).extend(lines)
        self._count[place.file] = self._count.get(place.file, 0) + count

    def __len__(self) -> int:
        return sum(self._count.values())

    def listed(self) -> list[str]:
        """The faults by file and line: the first 100 of each file, and how many more it has."""
        lines: list[str] = []
        for file, found in self._shown.items():
            shown = [text for _, text in sorted(found, key=lambda fault: fault[0])[:SHOWN_PER_FILE]]
            lines.extend(shown)
            if self._count[file] > len(shown):
                lines.append(f"{file}: {self._count[file] - len(shown)} more faults")
        return lines

    def raise_if_any(self) -> None:
        """Refuse the folder if anything is wrong with it.

        Raises:
            Unsuitable: lists the faults.
        """
        if len(self):
            raise Unsuitable(self.listed())
