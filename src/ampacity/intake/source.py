"""Where a table of the folder lies, and its rows as chunks of columns: CSV, gzipped CSV or Parquet."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ampacity.intake.faults import FaultList, Place

Progress = Callable[[str, int, int], None]
SUFFIXES = (".csv", ".csv.gz", ".parquet")
ROWS_PER_CHUNK = 500_000
PANDAS_INDEX = "__index_level_"  # a column that pandas adds to a Parquet file on its own
SURPLUS = "surplus cells"  # stands for what a line has beyond the header's columns


@dataclass(frozen=True, kw_only=True)
class Source:
    """One table's file and the columns that its header names."""

    path: Path
    place: Place
    columns: tuple[str, ...]

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"


def find_source(
    folder: Path, table: str, columns: Sequence[str], faults: FaultList, *, optional: Sequence[str] = ()
) -> Source | None:
    """The file of a table with its header checked; None where it is not there.

    A missing, unknown or repeated column is noted as a fault; with a missing one the file cannot be read: None.
    Those that are `optional` may be missing.
    """
    found = [path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()]
    if not found:
        return None
    path = found[0]
    place = Place(file=path.name, row_word="row", first_row=1) if path.suffix == ".parquet" else Place(file=path.name)
    for other in found[1:]:
        faults.add(place, f"{other.name} is there too: keep one of them")
    given = _header(path, place, faults)
    if given is None or not _header_suits(given, columns, optional, place, faults):
        return None
    return Source(path=path, place=place, columns=tuple(given))


def _header_suits(
    given: Sequence[str], columns: Sequence[str], optional: Sequence[str], place: Place, faults: FaultList
) -> bool:
    """Whether every column is there once; notes what is missing, unknown or repeated."""
    row = None if place.row_word == "row" else -1
    possible = tuple(dict.fromkeys((*columns, *optional)))
    for name in dict.fromkeys(given):
        if name not in possible:
            faults.add(place, f"the column {name!r} is unknown, there may be {', '.join(possible)}", row=row)
        elif given.count(name) > 1:
            faults.add(place, f"the column {name!r} is there {given.count(name)} times", row=row)
    missing = [name for name in columns if name not in given and name not in optional]
    for name in missing:
        faults.add(place, f"the column {name!r} is missing", row=row)
    return not missing and len(set(given)) == len(given)


def _header(path: Path, place: Place, faults: FaultList) -> list[str] | None:
    if path.suffix == ".parquet":
        return _parquet_header(path, place, faults)
    try:
        with _opened(path, None) as handle:
            line = handle.readline().decode("utf-8-sig")
        header = next(csv.reader([line]), [])
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        faults.add(place, f"cannot be read: {error}")
        return None
    except UnicodeDecodeError:
        faults.add(place, "is not UTF-8", row=-1)
        return None
    if not header:
        faults.add(place, "is empty: the first line must name the columns")
        return None
    return header


def _parquet_header(path: Path, place: Place, faults: FaultList) -> list[str] | None:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  # optional: the extra `parquet`
    except ImportError:
        faults.add(place, "reading Parquet needs the extra: pip install 'ampacity[parquet]'")
        return None
    try:
        return [name for name in parquet.read_schema(path).names if not name.startswith(PANDAS_INDEX)]
    except (ArrowException, OSError) as error:
        faults.add(place, f"cannot be read: {error}")
        return None


def chunks(source: Source, faults: FaultList, progress: Progress | None = None) -> Iterator[pd.DataFrame]:
    """The rows in their order, the index counting them from 0; cells of a CSV are text.

    What cannot be read is noted as a fault, and ends the rows.
    """
    reader = _parquet_frames(source, progress) if source.is_parquet else _csv_frames(source, progress)
    first = 0
    try:
        for frame in reader:
            first += len(frame)
            yield _whole_rows(frame, source.place, faults)
    except UnicodeDecodeError:
        faults.add(source.place, "is not UTF-8", row=_first_undecodable(source.path))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        faults.add(source.place, f"cannot be read on: {error}", row=first)


def _whole_rows(frame: pd.DataFrame, place: Place, faults: FaultList) -> pd.DataFrame:
    """The rows without empty lines; notes those with more cells than the header has columns."""
    if SURPLUS not in frame:
        return frame
    surplus = frame.pop(SURPLUS)
    surplus = surplus[surplus != ""]
    if len(surplus):
        rows = surplus.index.to_numpy(np.int64)
        faults.add_rows(place, SURPLUS, rows, lambda i: f"the header has no column for {surplus.iloc[i]!r}")
    if not (frame.iloc[:, 0] == "").any():
        return frame
    return frame[~(frame == "").all(axis=1)]


def _csv_frames(source: Source, progress: Progress | None) -> Iterator[pd.DataFrame]:
    """Frames of text.

    Lines are read under a header of our own that has one column more than theirs, so that a line with too many cells
    is a row that can be named instead of the end of the reading; empty lines are kept, so that a row tells its line.
    """
    names = [*source.columns, SURPLUS]
    own_header = (",".join(names) + "\n").encode()
    with _opened(source.path, progress) as handle:
        handle.readline()
        reader = pd.read_csv(
            io.BufferedReader(_Chained(own_header, handle), 1 << 20),
            usecols=names,
            dtype=object,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8",
            chunksize=ROWS_PER_CHUNK,
        )
        yield from reader


def _parquet_frames(source: Source, progress: Progress | None) -> Iterator[pd.DataFrame]:
    from pyarrow import parquet  # noqa: PLC0415  # optional: the extra `parquet`

    with parquet.ParquetFile(source.path) as file:
        total, done = file.metadata.num_rows, 0
        for batch in file.iter_batches(batch_size=ROWS_PER_CHUNK, columns=list(source.columns)):
            frame: pd.DataFrame = batch.to_pandas(ignore_metadata=True)
            frame.index = pd.RangeIndex(done, done + len(frame))
            done += len(frame)
            if progress is not None:
                progress(source.place.file, done, total)
            yield frame


class _Chained(io.RawIOBase):
    """A stream that begins with other bytes."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the stubs say WriteableBuffer
        data = self._head or self._rest.read(len(buffer))
        data, self._head = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _opened(path: Path, progress: Progress | None) -> Iterator[BinaryIO]:
    """The text as bytes, unpacked; tells how many bytes of the file have been read."""
    with path.open("rb", buffering=0) as raw:
        counted = io.BufferedReader(raw) if progress is None else _Counted(raw, path, progress)
        if path.suffix == ".gz":
            with gzip.open(counted) as unpacked:
                yield unpacked  # type: ignore[misc]  # a GzipFile is read like a BinaryIO
        else:
            yield counted


class _Counted(io.BufferedReader):
    """A file that tells how far it has been read."""

    def __init__(self, raw: io.RawIOBase, path: Path, progress: Progress) -> None:
        super().__init__(raw)
        self._name, self._size, self._progress = path.name, path.stat().st_size, progress

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._progress(self._name, self.tell(), self._size)
        return data


def _first_undecodable(path: Path) -> int | None:
    """The row of the first line that is not UTF-8."""
    with _opened(path, None) as handle:
        for number, line in enumerate(handle):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number - 1
    return None
