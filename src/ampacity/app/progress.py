"""Progress of long work: a bar on a terminal, nothing that disturbs a program."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Show = Callable[[str, int, int], None]  # which stage, how much of it is done, of how much


@contextmanager
def bar() -> Iterator[Progress]:
    """A progress display on standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


@contextmanager
def file_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Shows how much of each file has been read."""
    with bar() as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(f"read {name}", total=size)
            progress.update(tasks[name], completed=done)

        yield show


@contextmanager
def stage_progress() -> Iterator[Show]:
    """Shows how far each stage of long work is; where there is no terminal, a line for each that is done."""
    with bar() as progress:
        tasks: dict[str, TaskID] = {}
        begun = time.perf_counter()

        def show(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=size)
            progress.update(tasks[name], completed=done)
            if done >= size and progress.disable:
                tell(f"{name}: {size} after {time.perf_counter() - begun:.1f} s")

        yield show


def tell(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # what programs read goes to standard output
