"""Who gives back what was lent is told once for all that is taken back in a while, where there is time for it.

What is lent in a tree comes back a little from everybody whenever its owners ask.  Where they ask all the time, each
of many groups would be told of each small step; but what holds from an hour that is still far can be told in one
message a little later.
"""

from datetime import datetime, timedelta

import numpy as np

from ampacity.operations.batch import DecidedBatch
from ampacity.ports import Ints
from ampacity.timegrid import moment_of

TOLD_BEFORE_S = 300.0  # who is told later has at least so long to follow


def may_be_told_later(decided: DecidedBatch, now: datetime, wait_s: float) -> tuple[Ints, Ints]:
    """The groups that lose what was lent to them: who has to be told at once, and who may be told after `wait_s`.

    Later is early enough where what is taken back is all of quarters that begin `TOLD_BEFORE_S` after that or later.
    """
    asked = len(decided.batch)
    groups = np.array(decided.groups[asked:], np.int64)
    falls = decided.table.capacity_w[asked:] < np.asarray(decided.situation.held_w, np.float64)[groups]
    first = np.where(falls.any(axis=1), falls.argmax(axis=1), decided.situation.window.count)
    early_enough = now + timedelta(seconds=wait_s + TOLD_BEFORE_S)
    begins = [moment_of(decided.situation.window.first + step) for step in range(decided.situation.window.count + 1)]
    from_step = next((step for step, at in enumerate(begins) if at >= early_enough), len(begins))
    later = (first >= from_step) if wait_s > 0 else np.zeros(len(groups), bool)
    return groups[~later], groups[later]
