"""Cycles, decisions, answers and the rest of sending are processes of a server: each is replaced, none outlives it."""

import asyncio
import os
import signal
from pathlib import Path

from ampacity.intake.bundled import bundled_folder
from tests.acceptance.commands import read_until, run, started
from tests.acceptance.test_serve import START
from tests.killing import parts_of
from tests.peers.world import free_port, until

PARTS = 4


def serving(dsn: str, speed: int = 1) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words and settings of a server on the bundled grid."""
    words = ("serve", "--at", START.isoformat(), "--speed", str(speed), "--port", str(free_port()))
    return words, {"DATABASE_URL": dsn, "AMPACITY_CYCLE_LEASE_S": "0.5"}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_parts_that_are_killed_are_started_again_and_cycles_go_on(dsn):
    run("import", str(bundled_folder()), DATABASE_URL=dsn)
    words, on = serving(dsn, speed=90)
    with started(*words, **on) as server:
        read_until(server, "decision")
        killed = parts_of(server.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        for _ in range(PARTS):
            read_until(server, "it is started again")
        said = read_until(server, "decision")
        after = parts_of(server.pid)

    assert len(killed) == len(after) == PARTS
    assert not set(killed) & set(after)
    assert "cycle 2016-06-05" in said


async def test_no_part_outlives_a_server_that_is_killed(dsn):
    run("import", str(bundled_folder()), DATABASE_URL=dsn)
    words, on = serving(dsn)
    with started(*words, **on) as server:
        read_until(server, "serving on")
        parts = parts_of(server.pid)
        server.kill()
        server.wait()
        await until(lambda: asyncio.sleep(0, not any(is_alive(pid) for pid in parts)), within_s=20)

    assert len(parts) == PARTS


def test_a_server_may_be_a_single_process(dsn):
    run("import", str(bundled_folder()), DATABASE_URL=dsn)
    words, on = serving(dsn)
    with started(*words, AMPACITY_SERVER_APART="false", **on) as server:
        read_until(server, "decision")
        parts = parts_of(server.pid)

    assert parts == []


def test_a_server_whose_engine_is_not_there_does_not_start(dsn):
    words, on = serving(dsn)
    done = run(*words, "--engine", "dask://127.0.0.1:1", **on)

    assert done.returncode == 1
    assert "the process for cycles" in done.stderr
    assert "127.0.0.1:1" in done.stderr
