"""`ampacity bench intake-measurements`: a quarter hour's readings of a whole fleet, from files and over HTTP."""

import asyncio
import gzip
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pandas as pd
import uvicorn
from litestar import Litestar

from ampacity.app.clock import wall_clock
from ampacity.app.gateway.files import take_file
from ampacity.app.gateway.routes import gateway_controller
from ampacity.app.gateway.settings import GatewaySettings
from ampacity.app.scratch_database import scratch_database
from ampacity.errors import NotReady
from ampacity.network import PHASES
from ampacity.ports import Floats
from ampacity.store.intake_bench import add_bench_elements
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import Window, moment_of, quarter_at

PER_BATCH = 10_000  # elements in a request
_TOKEN = "t" * 32  # of a database that is dropped at the end
_FROM = datetime(2026, 1, 5, tzinfo=UTC)


class MeasurementFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the first byte read to the last one durable, of so many readings of one quarter hour."""

    readings: int
    csv_s: float
    parquet_s: float
    http_s: float
    requests: int


async def bench_measurements(dsn: str, elements: int) -> MeasurementFigures:
    """Three quarter hours of the same size, each by its way.

    Raises:
        NotReady: not all of them is stored.
    """
    load_w = np.random.default_rng(1).normal(20e3, 5e3, (elements, PHASES)).astype(np.float32).round(1)
    async with scratch_database(dsn) as scratch:
        pool = await connect(scratch, max_size=4)
        try:
            await add_bench_elements(pool, elements)
            grid = PostgresGrid(pool)
            await grid.network()  # which a server that runs has at hand
            took = {}
            with tempfile.TemporaryDirectory() as folder:
                for k, ending in enumerate((".csv", ".parquet")):
                    file = _written(Path(folder) / f"measurements{ending}", load_w, quarter_at(_FROM) + k)
                    begun = time.perf_counter()
                    await take_file(file, grid=grid, clock=wall_clock)
                    took[ending] = time.perf_counter() - begun
            with _served(scratch) as port:
                http_s = await _push(port, load_w, quarter_at(_FROM) + 2)
            stored_w = await grid.loads("element", range(elements), Window(quarter_at(_FROM), 3), wall_clock())
        finally:
            await pool.close()
    if not (stored_w == load_w[:, :, None]).all():
        raise NotReady("not all that was sent is stored")
    return MeasurementFigures(
        readings=elements * PHASES,
        csv_s=round(took[".csv"], 2),
        parquet_s=round(took[".parquet"], 2),
        http_s=round(http_s, 2),
        requests=-(-elements // PER_BATCH),
    )


def _written(file: Path, load_w: Floats, quarter: int) -> Path:
    names = np.repeat([f"cable-{e}" for e in range(len(load_w))], PHASES)
    phase = np.tile(["1", "2", "3"], len(load_w))
    rows = pd.DataFrame(
        {"element_id": names, "start": moment_of(quarter).isoformat(), "phase": phase, "load_w": load_w.ravel()}
    )
    if file.suffix == ".csv":
        rows.to_csv(file, index=False)
    else:
        rows.to_parquet(file, index=False)
    return file


async def _push(port: int, load_w: Floats, quarter: int) -> float:
    """Send all in batches, two at a time, as a gateway would; packing them counts too."""
    begun = time.perf_counter()
    todo = iter(range(0, len(load_w), PER_BATCH))
    headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Encoding": "gzip"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:

        async def work() -> None:
            for first in todo:
                some = load_w[first : first + PER_BATCH].tolist()
                rows = [(f"cable-{first + i}", *row) for i, row in enumerate(some)]
                body = msgspec.json.encode({"id": f"b{first}", "start": moment_of(quarter), "load_w": rows})
                packed = await asyncio.to_thread(gzip.compress, body, 1)
                (await http.post("/measurements", content=packed)).raise_for_status()

        await asyncio.gather(work(), work())
    return time.perf_counter() - begun


@contextmanager
def _served(dsn: str) -> Iterator[int]:
    """The gateway's route in a process of its own; gives its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, dsn), daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, dsn: str) -> None:
    asyncio.run(_listen(pipe, dsn))


async def _listen(pipe: Connection, dsn: str) -> None:
    pool = await connect(dsn, max_size=4)
    grid = PostgresGrid(pool)
    await grid.network()
    controller = gateway_controller(GatewaySettings(token=_TOKEN), pool=pool, grid=grid, clock=wall_clock)
    app = Litestar([controller], logging_config=None)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.02)
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    await serving
