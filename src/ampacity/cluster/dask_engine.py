"""Computes on the workers of a Dask cluster (extra `cluster`), `dask://HOST:PORT` its scheduler.

Arguments travel straight to the worker of each piece of work, and its result straight back: tens of megabytes, which
the scheduler would unpack and pack again.  What is shared is copied to every worker.  Where a worker dies with what it
was sent, that is sent and run again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ampacity.errors import NotReady, Unreachable

SCHEME = "dask://"
ATTEMPTS = 5
AGAIN_S = 0.2
CONNECT_S = 10
AHEAD = 1  # pieces beyond one for each thread, so that no worker waits for its next one
T = TypeVar("T")


@dataclass(eq=False)
class _Copies:
    """A value that every worker holds a copy of."""

    value: object
    future: Any
    again: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Shared:
    """Stands for a shared value among the arguments of a piece of work."""


@dataclass(frozen=True, eq=False)
class _Piece:
    """A piece of work as it travels."""

    work: Callable[..., Any]
    arguments: Sequence[object]


def _done(piece: _Piece, *shared: object) -> Any:
    """What a piece of work comes to, on its worker."""
    rest = iter(shared)
    return piece.work(*[next(rest) if isinstance(a, _Shared) else a for a in piece.arguments])


@dataclass(frozen=True, eq=False)
class DaskEngine:
    """Computes on a cluster."""

    client: Any  # distributed.Client, which is typed in part only

    @property
    def at_once(self) -> int:
        threads: int = sum(w["nthreads"] for w in self.client.scheduler_info(n_workers=-1)["workers"].values())
        return max(1, threads) + AHEAD

    @asynccontextmanager
    async def share(self, value: object) -> AsyncIterator[object]:
        yield _Copies(value, await self._copied(value))

    async def run(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        for attempt in range(ATTEMPTS):
            try:
                result: T = await self._submitted(partial(work, **options), arguments)
            except _lost() as lost:
                if attempt + 1 == ATTEMPTS:
                    raise Unreachable(f"the cluster lost a piece of work {ATTEMPTS} times: {lost}") from lost
                await self._share_again(arguments)
            else:
                return result
        raise AssertionError

    async def _submitted(self, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
        piece = _Piece(work, [_Shared() if isinstance(a, _Copies) else a for a in arguments])
        sent = await self._sent(piece)
        future = self.client.submit(_done, sent, *[a.future for a in arguments if isinstance(a, _Copies)], pure=False)
        try:
            result: T = await future
        except asyncio.CancelledError:  # we were told to stop; what Dask has lost raises another one
            await future.cancel()
            raise
        return result

    async def _copied(self, value: object) -> Any:
        return await self._sent(value, broadcast=True)

    async def _sent(self, value: object, **options: object) -> Any:
        """A value that lies with one of the workers, one after the other, or with all of them."""
        for attempt in range(ATTEMPTS):
            try:
                return await self.client.scatter(value, hash=False, **options)
            except TimeoutError as nobody:
                raise NotReady("the cluster has no worker") from nobody
            except OSError as failed:  # a worker that died, which the scheduler has not noticed yet
                if attempt + 1 == ATTEMPTS:
                    raise Unreachable(f"workers of the cluster cannot be reached: {failed}") from failed
                await asyncio.sleep(AGAIN_S)
        raise AssertionError

    async def _share_again(self, arguments: tuple[object, ...]) -> None:
        for shared in (a for a in arguments if isinstance(a, _Copies)):
            async with shared.again:
                if shared.future.status != "finished":
                    shared.future = await self._copied(shared.value)


def _lost() -> tuple[type[BaseException], ...]:
    """What Dask raises where a piece is gone, not where the work itself failed."""
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415  # an extra

    return CancelledError, KilledWorker


@asynccontextmanager
async def dask_engine(address: str) -> AsyncIterator[DaskEngine]:
    """The engine of the cluster whose scheduler is at `dask://HOST:PORT`.

    Raises:
        NotReady: the extra is not installed, or there is no scheduler.
    """
    try:
        import dask  # noqa: PLC0415  # an extra
        import distributed  # noqa: PLC0415
    except ImportError as missing:
        raise NotReady("an engine on Dask needs pip install 'ampacity[cluster]'") from missing
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    scheduler = "tcp://" + address.removeprefix(SCHEME)
    try:
        client_of: Any = distributed.Client
        client = await client_of(
            scheduler, asynchronous=True, timeout=CONNECT_S, set_as_default=False, direct_to_workers=True
        )
    except OSError as failed:
        raise NotReady(f"there is no Dask scheduler at {scheduler}: {failed}") from failed
    async with client:
        yield DaskEngine(client)
