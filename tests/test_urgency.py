"""A process that nobody waits for steps back, among the sessions of the system too."""

import subprocess
import sys
from pathlib import Path

import pytest

from ampacity.app.urgency import AUTOGROUP

STEP_BACK = """
import os, sys
from pathlib import Path
from ampacity.app.urgency import AUTOGROUP, be_less_urgent
be_less_urgent(5, *[Path(p) for p in sys.argv[1:]])
print(os.nice(0), AUTOGROUP.read_text() if AUTOGROUP.exists() else "")
"""


def said(*arguments: str | Path, own_session: bool) -> str:
    command = [sys.executable, "-c", STEP_BACK, *map(str, arguments)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, start_new_session=own_session, timeout=60
    ).stdout


@pytest.mark.skipif(
    not AUTOGROUP.exists(), reason="this system does not share its processors out among sessions (Linux autogroups)"
)
def test_a_session_of_its_own_steps_back_among_sessions():
    own = said(own_session=True).split()
    assert (own[0], own[-1]) == ("5", "5")


def test_whoever_shares_a_session_with_others_leaves_the_session_as_it_is(tmp_path):
    told = tmp_path / "autogroup"
    told.write_text("", encoding="ascii")
    assert said(told, own_session=False).split()[0] == "5"
    assert told.read_text(encoding="ascii") == ""


def test_where_there_are_no_such_shares_the_process_alone_steps_back(tmp_path):
    assert said(tmp_path / "none" / "autogroup", own_session=True).split()[0] == "5"
