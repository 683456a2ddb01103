"""Where a cycle is computed."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import ParamSpec, Protocol, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
V = TypeVar("V")


class Engine(Protocol):
    """Runs pure functions of arrays: on threads of this process, or on the workers of a cluster.

    The result is the same to the bit wherever it is computed.
    """

    @property
    def at_once(self) -> int:
        """How many pieces of work are worth having under way."""
        ...

    def share(self, value: V) -> AbstractAsyncContextManager[V]:
        """Bring a value once to wherever work is done; it is forgotten when the block ends.

        What stands for it has its type, so that calls of `run` are checked, but is for `run` alone.
        """
        ...

    async def run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """The result of a function; what was shared is put in among its arguments."""
        ...
