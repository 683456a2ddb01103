"""Processor time: of this program, and of a PostgreSQL on the same machine."""

import os
import time
from pathlib import Path

from ampacity.store.pool import Pool

_PROC = Path("/proc")
_PARENT, _OWN, _REAPED = 1, slice(11, 13), slice(13, 15)  # behind the name in /proc/PID/stat


async def processor_s(pool: Pool) -> tuple[float, float | None]:
    """What this program took until now [s], and what all of PostgreSQL; None where it runs elsewhere."""
    return time.process_time(), _family_s(await pool.fetchval("select pg_backend_pid()"))


def _family_s(backend: int) -> float | None:
    """Of a server by one of its processes: of its first one, of those that have ended, and of those that run."""
    own = _stat(backend)
    if own is None or own[0] not in {"postgres", "postmaster"}:
        return None
    first = int(own[1][_PARENT])
    head = _stat(first)
    found = [s for p in _PROC.iterdir() if p.name.isdigit() and (s := _stat(int(p.name))) is not None]
    ticks = sum(sum(map(int, fields[_OWN])) for _, fields in found if int(fields[_PARENT]) == first)
    if head is not None:
        ticks += sum(map(int, head[1][_OWN])) + sum(map(int, head[1][_REAPED]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> tuple[str, list[str]] | None:
    try:
        name, _, rest = (_PROC / str(process) / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
    except OSError:
        return None  # it has ended, or this system has no such folder
    return name, rest.split()
