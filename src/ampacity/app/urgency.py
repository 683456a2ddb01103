"""How urgent a process is to the system: one that nobody waits for leaves the processors to the others."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def be_less_urgent(nice: int, autogroup: Path = AUTOGROUP) -> None:
    """Step back by so much (`nice`), behind processes of other sessions too.

    Where Linux gives each session a share of the processors (`kernel.sched_autogroup_enabled`; sched(7)), the
    niceness of a process counts within its session alone, and that of the session among all.  So a process that leads
    a session of its own lowers both.  Elsewhere there is no such file, or it says nothing.
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # the system has none, or forbids it: then the first one is all there is
            autogroup.write_text(str(nice), encoding="ascii")
