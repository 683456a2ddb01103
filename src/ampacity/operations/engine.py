"""The engine of a single machine: threads, as numpy lets go of the interpreter while it calculates."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
V = TypeVar("V")


@dataclass(frozen=True)
class LocalEngine:
    """Computes in this process."""

    at_once: int = 2

    @asynccontextmanager
    async def share(self, value: V) -> AsyncIterator[V]:
        yield value

    async def run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        return await asyncio.to_thread(work, *arguments, **options)
