"""Messages that come in several requests."""

from collections.abc import Sequence
from typing import Protocol

from ampacity.peers.segments import Segment


class Segments(Protocol):
    """Where the parts of a message wait for each other."""

    async def add(self, provider_no: int, segment: Segment, *, limit_bytes: int) -> Sequence[Segment]:
        """Keep a part, durable when this returns; gives the parts that may belong to it, the newest first.

        Raises:
            Conflict: another part has the same id and index.
            Refused: the parts of this provider would be more bytes than that.
        """
        ...
