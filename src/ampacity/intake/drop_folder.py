"""A folder into which somebody puts files of one kind, in the format that such a file has in a folder to import."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ampacity.errors import AmpacityError

DONE, REFUSED = "done", "refused"
Rows = TypeVar("Rows")
ENDINGS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class DropFolder(Generic[Rows]):
    """Files are read once and moved to `done/`, or to `refused/` with the reasons beside them.

    A file counts as complete when it bears its final name: write under another ending (such as `.part`) and rename.
    """

    folder: Path
    read: Callable[[Path], Rows]

    def waiting(self) -> list[Path]:
        """Complete files, oldest name first."""
        if not self.folder.is_dir():
            return []
        return sorted(file for file in self.folder.iterdir() if file.is_file() and file.name.endswith(ENDINGS))

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


@contextmanager
def under_name(file: Path, table: str) -> Iterator[Path]:
    """A folder in which the file is the only one and has the name of a table."""
    ending = next((e for e in ENDINGS if file.name.endswith(e)), file.suffix)
    with tempfile.TemporaryDirectory() as alone:
        (Path(alone) / f"{table}{ending}").symlink_to(file.resolve())
        yield Path(alone)
