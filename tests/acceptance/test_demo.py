"""The demonstration does what it promises, on the bundled district and on real input, or says what it did not."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.commands import read_until, run, started


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """A folder for the embedded server, in the system's temporary one, where it can run as root."""
    folder = Path(tempfile.mkdtemp(prefix="ampacity-demo-"))
    yield {"AMPACITY_DATABASE_FOLDER": str(folder)}
    shutil.rmtree(folder, ignore_errors=True)


def servers_on(database: dict[str, str]) -> str:
    found = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in found.splitlines() if database["AMPACITY_DATABASE_FOLDER"] in line)


def test_one_cycle_on_the_bundled_district_keeps_every_promise(database):
    done = run("demo", "--once", **database)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything promised happened" in done.stdout
    for step in ("returned", "granted", "refused"):
        assert f": {step} (" in done.stdout.replace("\n", " ")
    assert servers_on(database) == ""


@pytest.mark.parametrize(
    "folder", ["tetouan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("fontana", "nl-grid-points"))]
)
def test_one_cycle_on_real_input_keeps_every_promise(database, shared, folder):
    done = run("demo", "--once", "--folder", str(shared / "data" / folder), **database)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything promised happened" in done.stdout


def test_a_made_up_district_works_too(database):
    done = run("demo", "--once", "--synthetic", "--homes", "60", "--cables", "3", **database)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_provider_that_is_killed_is_named_as_the_reason(database):
    with started("demo", "--once", **database) as demo:
        read_until(demo, "serving on")
        provider = _child_with(demo.pid, "simulate-provider")
        os.kill(provider, signal.SIGKILL)
        rest = demo.stdout.read()

    assert demo.returncode == 1
    assert "was ended by SIGKILL" in rest


def test_ctrl_c_ends_it_and_all_that_it_started(database):
    with started("demo", "--speed", "900", **database) as demo:
        read_until(demo, "serving on")
        _child_with(demo.pid, "simulate-provider")
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        code = demo.wait(30)

    assert code == 130
    assert "Traceback" not in rest
    assert servers_on(database) == ""
    assert _children_of(demo.pid) == []


def test_an_end_by_force_is_carried_on_from(database):
    with started("demo", "--speed", "900", **database) as demo:
        read_until(demo, "serving on")
        _child_with(demo.pid, "simulate-provider")
        demo.kill()
        demo.wait()

    with started("demo", "--speed", "900", **database) as again:
        said = read_until(again, "serving on")

    assert "0 values imported" in said


def _children_of(pid: int) -> list[tuple[int, str]]:
    found = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()[1:]]
    return [(int(child), args) for child, parent, args in rows if int(parent) == pid]


def _child_with(pid: int, words: str) -> int:
    for _ in range(600):
        for child, args in _children_of(pid):
            if words in args:
                return child
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError(f"no process with {words} was started")
