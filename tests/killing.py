"""Kill a server as a power cut does: with all processes of its own at once."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path


def parts_of(pid: int) -> list[int]:
    """The processes that a server started."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


async def kill_whole(process: asyncio.subprocess.Process) -> None:
    """Kill a server and its parts."""
    parts = parts_of(process.pid) if process.returncode is None else []
    for pid in (process.pid, *parts):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await process.wait()
