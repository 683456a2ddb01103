"""A provider asks for another capacity, or gives some back: recorded first, decided elsewhere."""

from collections.abc import Callable

from ampacity.peers.types import CapacityRequest
from ampacity.ports import Clock, Requests


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
