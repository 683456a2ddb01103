"""Computes on the workers of a Dask cluster (extra `cluster`), `dask://HOST:PORT` its scheduler.

Arguments travel straight to the worker of each piece of work, and its result straight back: tens of megabytes, which
the scheduler would unpack and pack again.  That worker is the one with the least to do for us, and the piece is run
where its arguments are: left to the scheduler, it may want another worker, to which they would travel once more.  What
is shared is copied to every worker.  Where a worker dies with what it was sent, that is sent and run again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from ampacity.errors import NotReady, Unreachable

SCHEME = "dask://"
ATTEMPTS = 5
AGAIN_S = 0.2
CONNECT_S = 10
REACH_S = 2  # a worker that the scheduler knows
LOOK_S = 2  # whether a worker that has a piece of ours is still there
AHEAD = 1  # pieces that each worker has beyond one for each thread, so that none waits for its next one
T = TypeVar("T")
P = ParamSpec("P")
V = TypeVar("V")


@dataclass(eq=False)
class _Copies:
    """A value that every worker holds a copy of."""

    value: object
    future: Any
    again: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Left(Exception):
    """A worker was sent away with a piece of ours."""


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
    _threads: dict[str, int] = field(default_factory=dict)  # of each worker, by its address
    _busy: Counter[str] = field(default_factory=Counter)  # pieces of ours under way on each worker

    @property
    def at_once(self) -> int:
        return max(1 + AHEAD, sum(threads + AHEAD for threads in self._threads.values()))

    async def workers(self) -> Mapping[str, int]:
        """How many threads each worker has, by its address; what the client keeps of them is empty most of the time."""
        found = await self.client.nthreads()
        self._threads.clear()
        self._threads.update(found)
        return self._threads

    @asynccontextmanager
    async def share(self, value: V) -> AsyncIterator[V]:
        await self.workers()
        yield cast("V", _Copies(value, await self._copied(value)))

    async def run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        avoided: list[str] = []  # workers that did not do it
        for attempt in range(ATTEMPTS):
            try:
                result: T = await self._submitted(partial(work, **options), arguments, avoided)
            except _lost() as lost:
                if attempt + 1 == ATTEMPTS:
                    raise Unreachable(f"the cluster lost a piece of work {ATTEMPTS} times: {lost}") from lost
                await self._share_again(arguments)
            else:
                return result
        raise AssertionError

    async def _submitted(self, work: Callable[..., T], arguments: tuple[object, ...], avoided: list[str]) -> T:
        piece = _Piece(work, [_Shared() if isinstance(a, _Copies) else a for a in arguments])
        while True:
            with self._busied(await self._least_busy(avoided)) as worker:
                try:
                    sent = await self.client.scatter(piece, workers=[worker], hash=False, timeout=REACH_S)
                except OSError:  # it died, which the scheduler has not noticed yet
                    avoided.append(worker)
                else:
                    shared = [a.future for a in arguments if isinstance(a, _Copies)]
                    future = self.client.submit(_done, sent, *shared, workers=[worker], pure=False)
                    try:
                        result: T = await self._result(future, worker)
                    except _lost():
                        avoided.append(worker)
                        raise
                    return result
            await asyncio.sleep(AGAIN_S)

    async def _least_busy(self, avoided: Collection[str]) -> str:
        """The worker that has the least to do for us by its threads, where there is one beside those to be avoided.

        Raises:
            NotReady: there is none.
            Unreachable: workers could not be reached too often.
        """
        while not (workers := dict(await self.workers())):
            try:
                await self.client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError as nobody:
                raise NotReady("the cluster has no worker") from nobody
        if len(avoided) >= ATTEMPTS + len(workers):
            raise Unreachable(f"workers of the cluster cannot be reached: {', '.join(sorted(set(avoided)))}")
        others = [worker for worker in workers if worker not in avoided]
        return min(others or workers, key=lambda worker: self._busy[worker] / max(1, workers[worker]))

    @contextmanager
    def _busied(self, worker: str) -> Iterator[str]:
        self._busy[worker] += 1
        try:
            yield worker
        finally:
            self._busy[worker] -= 1
            if not self._busy[worker]:
                del self._busy[worker]  # workers come and go for years

    async def _result(self, future: Any, worker: str) -> Any:
        """What a piece of work came to.

        Raises:
            _Left: its worker is there no more, and nobody else may have it.
        """
        waiting = asyncio.create_task(_awaited(future))
        try:
            while not (await asyncio.wait([waiting], timeout=LOOK_S))[0]:
                if worker not in await self.workers():
                    raise _Left(f"{worker} was sent away")
            return waiting.result()
        finally:
            if not waiting.done():  # we were told to stop, or the worker left
                waiting.cancel()
                await future.cancel()

    async def _copied(self, value: object) -> Any:
        """A value that lies with all workers."""
        for attempt in range(ATTEMPTS):
            try:
                return await self.client.scatter(value, hash=False, broadcast=True)
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


async def _awaited(future: Any) -> Any:
    return await future


def _lost() -> tuple[type[BaseException], ...]:
    """What is raised where a piece is gone, not where the work itself failed."""
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415  # an extra

    return CancelledError, KilledWorker, _Left


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
        engine = DaskEngine(client)
        await engine.workers()
        yield engine
