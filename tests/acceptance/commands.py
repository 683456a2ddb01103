"""The command as its users run it: a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_S = 240


def environment(**more: str) -> dict[str, str]:
    """Ours, without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AMPACITY_") and k != "DATABASE_URL"}
    return {**kept, "COLUMNS": "160", **more}


def run(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `ampacity …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ampacity", *words], env=environment(**more), cwd=cwd, capture_output=True, text=True,
        timeout=LONGEST_S, check=False,
    )  # fmt: skip


@contextmanager
def started(*words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run `ampacity …` beside the test; it is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ampacity", *words], env=environment(**more), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read what a process says until it says these words; gives all of it."""
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, f"it ended ({process.wait()}) before it said {words!r}:\n{said}"
        said += line
    return said
