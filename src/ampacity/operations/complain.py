"""A provider says that it cannot keep a forecast."""

from collections.abc import Callable

from ampacity.peers.types import Complaint
from ampacity.ports import Clock, Requests


async def take_complaint(
    requests: Requests, provider_no: int, complaint: Complaint, *, clock: Clock, alarm: Callable[[int, Complaint], None]
) -> None:
    """Record a complaint, with the forecast it is about where that can be told, and raise an alarm.

    Raises:
        Conflict: another complaint came with the same id.
    """
    if await requests.add_complaint(provider_no, complaint, clock()):
        alarm(provider_no, complaint)
