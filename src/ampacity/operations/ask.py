"""A provider asks for another capacity, or gives some back: recorded first, decided elsewhere."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ampacity.errors import AmpacityError
from ampacity.network.types import ForecastKind
from ampacity.operations.together import Together
from ampacity.peers.types import Caller, CapacityRequest, Connection
from ampacity.ports import Clock, Peers, Requests

_GATHER_S = 0.02  # requests that come one after the other are recorded together


async def take_request(
    requests: Requests, provider_no: int, request: CapacityRequest, *, clock: Clock, decide: Callable[[int], None]
) -> int | None:
    """Record a request, durable when this returns, and wake who decides.

    A repetition has no effect (None), but that one under a new id is answered under that id as well.

    Raises:
        Conflict: another request came with the same id.
    """
    request_no = await requests.add_request(provider_no, request, clock())
    if request_no is not None:
        decide(request_no)
    return request_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A message that asks for another capacity, by somebody who is not known yet."""

    token_hash: bytes
    group_id: str
    kind: ForecastKind
    request_id: str
    judged: Callable[[Caller, Connection], CapacityRequest]  # raises an AmpacityError where anything is wrong


class AskDesk:
    """Takes what is plainly right and new: many requests to one commit.  What is not goes the long way."""

    def __init__(self, peers: Peers, requests: Requests, *, clock: Clock, decide: Callable[[int], None]) -> None:
        self._peers, self._requests, self._clock, self._decide = peers, requests, clock, decide
        self._together = Together(self._take, gather_s=_GATHER_S, apart=_is_alike)

    async def take(self, asking: Asking) -> bool:
        """Record a request, durable when this returns true, and wake who decides; false: nothing was recorded."""
        return await self._together.ask(asking)

    async def _take(self, askings: Sequence[Asking]) -> list[bool]:
        callers, groups = await asyncio.gather(
            self._peers.callers([a.token_hash for a in askings]),
            self._requests.connections_asked([(a.token_hash, a.group_id) for a in askings]),
        )
        right: list[tuple[int, int, CapacityRequest]] = []
        for n, (asking, group) in enumerate(zip(askings, groups, strict=True)):
            caller = callers.get(asking.token_hash)
            if caller is None or group is None or group.provider_no != caller.peer.provider_no:
                continue
            with suppress(AmpacityError):  # it is told so on the long way
                right.append((n, group.provider_no, asking.judged(caller, group)))
        numbers = await self._requests.add_requests([(no, request) for _, no, request in right], self._clock())
        taken = [False] * len(askings)
        for (n, _, _), request_no in zip(right, numbers, strict=True):
            if request_no is not None:
                taken[n] = True
                self._decide(request_no)
        return taken


def _is_alike(asking: Asking) -> tuple[tuple[object, ...], ...]:
    """What no two requests that are recorded together have in common."""
    return (asking.token_hash, asking.request_id), (asking.token_hash, asking.group_id, asking.kind)
