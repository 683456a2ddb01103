"""Where a cycle is computed."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Shared = Any  # what an engine made of a value, to be given to `run` in its place


class Engine(Protocol):
    """Runs pure functions of arrays: on threads of this process, or on the workers of a cluster.

    The result is the same to the bit wherever it is computed.
    """

    @property
    def at_once(self) -> int:
        """How many pieces of work are worth having under way."""
        ...

    def share(self, value: object) -> AbstractAsyncContextManager[Shared]:
        """Bring a value once to wherever work is done; it is forgotten when the block ends."""
        ...

    async def run(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        """The result of a function; what was shared is put in among its arguments."""
        ...
