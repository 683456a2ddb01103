"""A process that nobody waits for steps back, among the sessions of the system too."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ampacity.app.urgency import AUTOGROUP

STEP_BACK = """
import os, sys
from pathlib import Path
from ampacity.app.urgency import AUTOGROUP, be_less_urgent
be_less_urgent(5, *[Path(p) for p in sys.argv[1:]])
print(os.getpriority(os.PRIO_PROCESS, 0), AUTOGROUP.read_text() if AUTOGROUP.exists() else "")
"""


FORBIDDEN = """
import ctypes, struct, sys
LOAD_CALL, IF_EQUAL, GIVE = 0x20, 0x15, 0x06
SETPRIORITY, REFUSED, ALLOWED = 141, 0x00050001, 0x7FFF0000  # of x86-64; with EPERM
steps = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD_CALL, 0, 0, 0), (IF_EQUAL, 0, 1, SETPRIORITY), (GIVE, 0, 0, REFUSED), (GIVE, 0, 0, ALLOWED)
))
kept = ctypes.create_string_buffer(steps)
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(kept))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()  # a filter of system calls
"""


def said(*arguments: str | Path, own_session: bool, before: str = "") -> str:
    command = [sys.executable, "-c", before + STEP_BACK, *map(str, arguments)]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, start_new_session=own_session, timeout=60
    )
    return ended.stdout + ended.stderr


@pytest.mark.skipif(
    not AUTOGROUP.exists(), reason="this system does not share its processors out among sessions (Linux autogroups)"
)
def test_a_session_of_its_own_steps_back_among_sessions():
    own = said(own_session=True).split()
    assert (own[0], own[-1]) == ("5", "5")


ORDINARY = """
import ctypes, os, ampacity.app.urgency
os.setgid(65534)
os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # whose own files under /proc stay its own
"""


@pytest.mark.skipif(not AUTOGROUP.exists() or os.getuid() != 0, reason="to become somebody ordinary takes root")
def test_several_that_are_no_administrators_step_back_at_the_same_time():
    """Linux lets them tell one session in a tenth of a second."""
    with ThreadPoolExecutor(5) as pool:
        told = [each.split() for each in pool.map(lambda _: said(own_session=True, before=ORDINARY), range(5))]
    assert [(each[0], each[-1]) for each in told] == [("5", "5")] * 5


def test_whoever_shares_a_session_with_others_leaves_the_session_as_it_is(tmp_path):
    told = tmp_path / "autogroup"
    told.write_text("", encoding="ascii")
    assert said(told, own_session=False).split()[0] == "5"
    assert told.read_text(encoding="ascii") == ""


def test_where_there_are_no_such_shares_the_process_alone_steps_back(tmp_path):
    assert said(tmp_path / "none" / "autogroup", own_session=True).split()[0] == "5"


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the filter is one of Linux on x86-64"
)
def test_where_a_filter_of_system_calls_forbids_it_the_process_goes_on_and_says_so():
    """As under a unit of systemd without `setpriority`."""
    told = said(own_session=True, before=FORBIDDEN)
    assert told.startswith("0 ")
    assert "it may not step back (Operation not permitted)" in told
