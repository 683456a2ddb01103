"""A folder into which somebody puts files of one kind, in the format that such a file has in a folder to import."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

from ampacity.errors import AmpacityError

DONE, REFUSED, TAKEN = "done", "refused", "taken"
LONGEST_S = 600.0  # a file that was taken and is not done by then is anybody's again: whoever had it is dead
Rows = TypeVar("Rows")
ENDINGS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class DropFolder(Generic[Rows]):
    """Files are read once and moved to `done/`, or to `refused/` with the reasons beside them.

    A file counts as complete when it bears its final name: write under another ending (such as `.part`) and rename.
    Where several processes watch a folder, each file is one's alone while it lies in `taken/`.
    """

    folder: Path
    read: Callable[[Path], Rows]

    def waiting(self) -> list[Path]:
        """Complete files that nobody works on, oldest name first."""
        if not self.folder.is_dir():
            return []
        before = time.time() - LONGEST_S
        left = [file for of in self.folder.glob(f"{TAKEN}/*/") if _changed_at(of) < before for file in of.iterdir()]
        found = [file for file in (*self.folder.iterdir(), *left) if file.is_file() and file.name.endswith(ENDINGS)]
        return sorted(found, key=lambda file: file.name)

    @contextmanager
    def claimed(self, file: Path) -> Iterator[Path | None]:
        """A waiting file for this process alone, put back if nothing comes of it; None where another one has it."""
        own = self.folder / TAKEN / uuid4().hex
        own.mkdir(parents=True)
        try:
            yield _renamed(file, own / file.name)
        finally:
            for left in own.iterdir():
                self._move(left, ".")
            own.rmdir()

    def take(self, file: Path) -> Rows | None:
        """The rows of a file; None where it is refused, and then the reasons lie beside it in `refused/`."""
        try:
            return self.read(file)
        except AmpacityError as refused:
            moved = self._move(file, REFUSED)
            moved.with_name(moved.name + ".reasons.txt").write_text(f"{refused}\n", encoding="utf-8")
            return None

    def done(self, file: Path) -> Path:
        """Put a file that has been stored aside."""
        return self._move(file, DONE)

    def _move(self, file: Path, to: str) -> Path:
        target = self.folder / to / file.name
        target.parent.mkdir(exist_ok=True)
        count = 1
        while target.exists():
            target = target.with_name(f"{count}-{file.name}")
            count += 1
        return file.rename(target)


def _renamed(file: Path, target: Path) -> Path | None:
    """The file under its new name; None where it is not there any more."""
    try:
        return file.rename(target)
    except FileNotFoundError:
        return None


def _changed_at(folder: Path) -> float:
    """When something was put into a folder; now, where it is gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return time.time()


@contextmanager
def under_name(file: Path, table: str) -> Iterator[Path]:
    """A folder in which the file is the only one and has the name of a table."""
    ending = next((e for e in ENDINGS if file.name.endswith(e)), file.suffix)
    with tempfile.TemporaryDirectory() as alone:
        (Path(alone) / f"{table}{ending}").symlink_to(file.resolve())
        yield Path(alone)
