"""The engine of a single machine: threads, as numpy lets go of the interpreter while it calculates."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class LocalEngine:
    """Computes in this process."""

    at_once: int = 2

    @asynccontextmanager
    async def share(self, value: object) -> AsyncIterator[object]:
        yield value

    async def run(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        return await asyncio.to_thread(work, *arguments, **options)
