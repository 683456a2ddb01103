"""Up to which message answers to requests are done with, so that who looks for new ones does not read all of them.

As long as a cycle's transaction is open PostgreSQL cannot forget what was sent since: each look would go through every
answer of that time.  Nearly all looks are therefore only for messages behind the one up to which all is done; but as a
message may become visible after one that was written later, and one that failed may be tried again, a look
now and then is for all.
"""

from dataclasses import dataclass

_WHOLE_EVERY_S = 2.0


@dataclass
class AnswersDone:
    """What looks for answers have seen; times by a clock that never goes back [s]."""

    behind: int = 0  # looks are for messages with larger numbers
    _newest: int = 0  # of all messages at the last look for all
    _whole_at_s: float = float("-inf")

    def begin(self, now_s: float) -> bool:
        """Whether the look that begins now is for all."""
        if now_s < self._whole_at_s + _WHOLE_EVERY_S:
            return False
        self.behind = 0
        return True

    def seen_whole(self, first_id: int | None, newest: int, now_s: float) -> None:
        """Note what a look for all has found.

        Args:
            first_id: The first answer that is not done with; None: there is none.
            newest: The newest message of all, from before the look.
            now_s: When it began.

        >>> done = AnswersDone()
        >>> done.begin(0.0)
        True
        >>> done.seen_whole(None, 40, 0.0)  # nothing is taken to be done that was not there a look before
        >>> done.behind
        0
        >>> done.begin(1.0), done.begin(2.0)
        (False, True)
        >>> done.seen_whole(31, 60, 2.0)
        >>> done.behind
        30
        """
        self.behind = self._newest if first_id is None else min(self._newest, first_id - 1)
        self._newest, self._whole_at_s = newest, now_s
