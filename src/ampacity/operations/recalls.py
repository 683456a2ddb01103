"""Who gives back what was lent is told once for all that is taken back in a while, where there is time for it.

What is lent in a tree comes back a little from everybody whenever its owners ask.  Where they ask all the time, each
of many groups would be told of each small step; but what holds from an hour that is still far can be told in one
message a little later.
"""

from datetime import datetime, timedelta

import numpy as np

from ampacity.operations.batch import DecidedBatch
from ampacity.ports import Ints
from ampacity.timegrid import floor_quarter, quarter_at

TOLD_BEFORE_S = 300.0  # who is told later has at least so long to follow


def may_be_told_later(decided: DecidedBatch, now: datetime, wait_s: float) -> tuple[Ints, Ints]:
    """The groups that lose what was lent to them: who has to be told at once, and who may be told after `wait_s`.

    Later is early enough where what is taken back is all of quarters that begin `TOLD_BEFORE_S` after that or later.
    """
    asked, window = len(decided.batch), decided.situation.window
    groups = np.array(decided.groups[asked:], np.int64)
    falls = decided.table.capacity_w[asked:] < decided.situation.held_by(groups.tolist())
    first = window.first + np.where(falls.any(axis=1), falls.argmax(axis=1), window.count)
    early_enough = now + timedelta(seconds=wait_s + TOLD_BEFORE_S)
    soonest = quarter_at(early_enough) + (floor_quarter(early_enough) < early_enough)
    later = (first >= soonest) & (wait_s > 0)
    return groups[~later], groups[later]
