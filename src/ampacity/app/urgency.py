"""How urgent a process is to the system: one that nobody waits for leaves the processors to the others."""

import logging
import os
from pathlib import Path

_LOG = logging.getLogger(__name__)
AUTOGROUP = Path("/proc/self/autogroup")


def be_less_urgent(nice: int, autogroup: Path = AUTOGROUP) -> None:
    """Step back by so much (`nice`), behind processes of other sessions too; where that is forbidden it is logged.

    Where Linux gives each session a share of the processors (`kernel.sched_autogroup_enabled`; sched(7)), the
    niceness of a process counts within its session alone, and that of the session among all.  So a process that leads
    a session of its own lowers both.  Elsewhere there is no such file, or it says nothing.
    """
    try:
        os.nice(nice)
        if autogroup.exists() and os.getsid(0) == os.getpid():
            autogroup.write_text(str(nice), encoding="ascii")
    except OSError as forbidden:
        _LOG.warning("process %d is as urgent as any other: it may not step back (%s)", os.getpid(), forbidden.strerror)
