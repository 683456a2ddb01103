"""The same work on many chunks, on one thread or several: numpy lets go of the interpreter while it calculates."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def on_threads(work: Callable[[Chunk], Result], chunks: Iterable[Chunk], workers: int) -> list[Result]:
    """`work` of each chunk, in order."""
    if workers <= 1:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(work, chunks))
