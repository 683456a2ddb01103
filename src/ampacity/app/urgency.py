"""How urgent a process is to the system: one that nobody waits for leaves the processors to the others."""

import logging
import os
import time
from pathlib import Path

_LOG = logging.getLogger(__name__)
AUTOGROUP = Path("/proc/self/autogroup")
_AGAIN_S, _TIMES = 0.12, 25  # whoever is no administrator may tell one session in a tenth of a second


def be_less_urgent(nice: int, autogroup: Path = AUTOGROUP) -> None:
    """Step back by so much (`nice`), behind processes of other sessions too; where that is forbidden it is logged.

    Where Linux gives each session a share of the processors (`kernel.sched_autogroup_enabled`; sched(7)), the
    niceness of a process counts within its session alone, and that of the session among all.  So a process that leads
    a session of its own lowers both.  Elsewhere there is no such file, or it says nothing.
    """
    try:
        os.nice(nice)
        if autogroup.exists() and os.getsid(0) == os.getpid():
            _tell(autogroup, nice)
    except OSError as forbidden:
        _LOG.warning("process %d is as urgent as any other: it may not step back (%s)", os.getpid(), forbidden.strerror)


def _tell(autogroup: Path, nice: int) -> None:
    for _ in range(_TIMES):
        try:
            autogroup.write_bytes(str(nice).encode())
        except BlockingIOError:  # another session was told just now
            time.sleep(_AGAIN_S)
        else:
            return
    autogroup.write_bytes(str(nice).encode())
