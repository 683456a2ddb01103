"""A Dask cluster as it is deployed: scheduler and two workers as processes of their own, ended by force."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ampacity.app.engine import open_engine
from ampacity.app.listening import free_port
from ampacity.cluster.dask_engine import DaskEngine
from tests.peers.world import until

HOST, WORKERS = "127.0.0.1", 2


@asynccontextmanager
async def engine_of_two_workers(folder: Path) -> AsyncIterator[DaskEngine]:
    """An engine on a scheduler with two workers of one thread; a worker that is killed is started again."""
    address = f"tcp://{HOST}:{(port := free_port(HOST))}"
    plain = ("--host", HOST, "--no-dashboard")
    worker = ("distributed.cli.dask_worker", address, *plain, "--nthreads", "1", "--memory-limit", "0")
    with (folder / "dask.log").open("ab") as log:
        started = [await _started(("distributed.cli.dask_scheduler", *plain, "--port", str(port)), folder, log)]
        started += [await _started((*worker, "--local-directory", str(folder)), folder, log) for _ in range(WORKERS)]
        try:
            await until(lambda: _listens(port), within_s=60)
            async with open_engine(address.replace("tcp://", "dask://")) as engine:
                await engine.client.wait_for_workers(WORKERS, timeout=60)
                yield engine
        finally:
            for process in started:
                with suppress(ProcessLookupError):  # a worker that was sent away
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


async def _started(words: tuple[str, ...], folder: Path, log: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, cwd=folder, stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
