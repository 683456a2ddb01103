"""Columns of text as numbers and moments, with the reason for every cell that is neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ampacity.intake.faults import FaultList, Place

MOMENT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)"
UNKNOWN_TIME = np.iinfo(np.int64).min
AN_EXAMPLE = "write UTC as in 2026-01-31T12:15:00Z"
LARGEST_W = 1e12


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A parsed column: where a cell is wrong, `reason` at its `code` tells why ("" where right)."""

    parsed: NDArray[Any]
    code: NDArray[np.int64]
    reason: NDArray[np.object_]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which rows are wrong, shape (n,)."""
        has_reason: NDArray[np.bool_] = self.reason != ""
        return has_reason[self.code]


def parse(frame: pd.DataFrame, column: str, cells: Cells, place: Place, faults: FaultList) -> NDArray[Any]:
    """The values of a parsed column, its faults noted."""
    wrong = np.flatnonzero(cells.wrong)
    if wrong.size:
        rows = frame.index.to_numpy(np.int64)[wrong]
        text = frame[column]
        faults.add_rows(
            place, column, rows, lambda i: f"{cells.reason[cells.code[wrong[i]]]} ({str(text.iloc[wrong[i]])!r})"
        )
    return cells.parsed


def moments(column: pd.Series, *, optional: bool = False) -> Cells:
    """Seconds since 1970 as int64; `UNKNOWN_TIME` for an empty cell that may be empty, and where wrong."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _typed_moments(column, optional=optional)
    code, unique = pd.factorize(_as_text(column))
    text = pd.Series(unique, dtype=object)
    parsed = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    known = parsed.notna().to_numpy()
    micros = parsed.dt.as_unit("us").dt.tz_localize(None).to_numpy().astype(np.int64)
    aware = text.str.fullmatch(MOMENT).to_numpy(bool)
    whole = known & (micros % 1_000_000 == 0)
    reason = np.select(
        [text == "", ~known, ~aware, ~whole],
        [
            "" if optional else "is empty",
            f"is no time; {AN_EXAMPLE}",
            f"has no time zone; {AN_EXAMPLE}",
            "is no whole second",
        ],
        "",
    ).astype(object)
    seconds = np.where(known & (reason == ""), micros // 1_000_000, UNKNOWN_TIME)
    return Cells(parsed=_taken(seconds, code), code=code, reason=reason)


def _typed_moments(column: pd.Series, *, optional: bool) -> Cells:
    micros = column.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us").to_numpy().astype(np.int64)
    missing = column.isna().to_numpy()
    code = np.where(missing, 1, np.where(micros % 1_000_000 == 0, 0, 2))
    reason = np.array(["", "" if optional else "is empty", "is no whole second"], object)
    return Cells(parsed=np.where(code == 0, micros // 1_000_000, UNKNOWN_TIME), code=code, reason=reason)


def numbers(column: pd.Series, *, least: float, most: float, unit: str, optional: bool = False) -> Cells:
    """Finite floats within bounds; NaN for an empty cell that may be empty, and where wrong."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    empty = (column == "").to_numpy(bool) | column.isna().to_numpy()
    unread = (~np.isfinite(values) | (column.dtype == bool)) & ~empty
    beyond = (values < least) | (values > most)
    code = np.select([empty, unread, beyond], [1, 2, 3], 0)
    reason = np.array(
        ["", "" if optional else "is empty", "is no finite number", f"must be within {least:g} and {most:g} {unit}"],
        object,
    )
    return Cells(parsed=np.where(code == 0, values, np.nan), code=code, reason=reason)


def keys(column: pd.Series, known: Mapping[str, int], unknown: str) -> Cells:
    """The number that each text stands for; -1 and the reason `unknown` where it stands for none."""
    code, unique = pd.factorize(_as_text(column))
    number = np.array([known.get(text, -1) for text in unique], np.int64)
    reason = np.array(["is empty" if t == "" else "" if t in known else unknown for t in unique], object)
    return Cells(parsed=_taken(number, code), code=code, reason=reason)


def _taken(values: NDArray[Any], code: NDArray[np.int64]) -> NDArray[Any]:
    return values[code] if len(values) else np.zeros(len(code), values.dtype)


def _as_text(column: pd.Series) -> pd.Series:
    """Text as it is; typed cells of a Parquet table as they would stand in a CSV."""
    if column.dtype == object:
        return column.where(column.notna(), "")
    return column.astype(object).where(column.notna(), "").map(str)
