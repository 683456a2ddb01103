"""What is dropped from the database, kept as Parquet files: a row for each block, packed values as lists of numbers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampacity.errors import NotReady
from ampacity.figures import unpacked
from ampacity.network import PHASES

_PACKED = {"load_w": "<f4", "capacity_w": "<f4", "bound_by": "<i4", "source": "u1"}


@dataclass(frozen=True, kw_only=True)
class ParquetArchive:
    """A folder with one folder for each table; a file is there as a whole or not at all."""

    folder: Path

    def keep(self, table: str, part: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Write a file; on the disk when this returns.

        Raises:
            NotReady: the extra `parquet` is not installed.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415  # optional: the extra `parquet`
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as missing:
            raise NotReady("writing Parquet needs the extra: pip install 'ampacity[parquet]'") from missing
        if not rows:
            return
        columns = {name: [_figures(name, row) for row in rows] for name in rows[0].keys()}  # noqa: SIM118  # a record of the database iterates over values
        target = self.folder / table / f"{part}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".part")
        with unfinished.open("wb") as file:
            parquet.write_table(pa.table(columns), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)


def _figures(name: str, row: Mapping[str, object]) -> object:
    """A column of a row, packed figures as a flat array."""
    value = row[name]
    if not isinstance(value, bytes):
        return value
    match name, dict(row):
        case "headroom_w", {"subjects": int(subjects), "steps": int(steps)}:
            return unpacked(value, (subjects * PHASES, steps)).ravel()
        case "load_w", {"levels": list(levels), "subjects": int(subjects), "quarters": int(quarters)}:
            return unpacked(value, (len(levels) * subjects * PHASES, quarters)).ravel()
    return np.frombuffer(value, _PACKED[name]) if name in _PACKED else value
