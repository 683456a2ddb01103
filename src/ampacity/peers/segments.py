"""A message in several requests: which parts make a whole.

No rule is certain here (OSCP.md 1.2): an index from 1 on and the count are told with every part; a later part
names the first one, in another reading of the text the one before it, as what it correlates to.  Both are
taken, and so is one id for all parts; in whatever order they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a message."""

    message: str  # which of the protocol's it is
    request_id: str
    index: int  # from 1 to `count`
    count: int
    correlation_id: str | None
    content: bytes = field(repr=False)


def whole(last: Segment, known: Sequence[Segment]) -> list[Segment] | None:
    """All parts of the message of which one has just come, in order; None while some are missing.

    Args:
        last: The part that came.
        known: What is known of messages of as many parts, that one included, the newest first.

    Example:
        >>> def part(index, request_id, correlation_id=None):
        ...     return Segment(message="m", request_id=request_id, index=index, count=3,
        ...                    correlation_id=correlation_id, content=b"")
        >>> first, third = part(1, "a", "answered"), part(3, "c", "b")
        >>> whole(third, [third, first]) is None
        True
        >>> second = part(2, "b", "a")
        >>> [s.request_id for s in whole(second, [second, third, first])]
        ['a', 'b', 'c']
    """
    for first in known:
        if first.index == 1:
            parts = _from(first, known)
            if len(parts) == last.count and any(_is_same(p, last) for p in parts):
                return parts
    return None


def _from(first: Segment, known: Sequence[Segment]) -> list[Segment]:
    parts = [first]
    for index in range(2, first.count + 1):
        before = {first.request_id, parts[-1].request_id}
        follows = (s for s in known if s.index == index and (s.correlation_id in before or s.request_id in before))
        found = next(follows, None)
        if found is None:
            break
        parts.append(found)
    return parts


def _is_same(a: Segment, b: Segment) -> bool:
    return (a.request_id, a.index) == (b.request_id, b.index)
