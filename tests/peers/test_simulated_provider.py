"""The simulated provider, as a process of its own, does the whole job over HTTP alone."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import numpy as np
import pytest

from ampacity.app.simulate_provider import misbehaviour_of
from ampacity.errors import Unsuitable
from ampacity.network.types import ForecastKind
from ampacity.operations.register import invite, start
from ampacity.operations.settle_usage import settle_usage
from ampacity.store.usage import UsageStore
from ampacity.timegrid import QUARTER, Window, quarter_at
from tests.peers.world import KINDS, NOW, add_grid, decide, until, world

RUN = "import typer; from ampacity.app.simulate_provider import simulate_provider as s; typer.run(s)"


@asynccontextmanager
async def simulated(folder, *arguments: str):
    """The process, with the events that it tells so far."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=(folder / "err.log").open("wb"),
    )  # fmt: skip
    events: list[dict] = []

    async def read() -> None:
        while line := await process.stdout.readline():
            events.append(json.loads(line))

    reading = asyncio.create_task(read())
    try:
        yield events
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0, (folder / "err.log").read_text()
        await reading


def of(events: list[dict], event: str, **facts) -> list[dict]:
    return [e for e in events if e["event"] == event and all(e.get(k) == v for k, v in facts.items())]


@pytest.mark.parametrize("starter", ["us", "them"])
async def test_it_registers_charges_reports_and_asks(pool, tmp_path, starter):
    await add_grid(pool, {"g1": "fp"}, contracted_w=44_000.0)
    script = tmp_path / "script.jsonl"
    script.write_text('{"group_id": "g1", "capacity_w": 30000, "after_s": 0.2, "in_quarters": 24, "quarters": 4}\n')
    clock = ["--at", NOW.isoformat(), "--speed", "900", "--no-asks", "--script", str(script), "--cars", "30"]
    start_at = asyncio.get_running_loop().time()

    def now():
        return NOW + (asyncio.get_running_loop().time() - start_at) * 900 * (QUARTER / 900)

    async with world(pool, clock=now, heartbeat_interval_s=1.0) as here:
        await decide(pool, np.full((1, 96), 20_000.0), at=NOW)
        desk = here.peering.desk
        if starter == "them":
            token = await invite(desk, "fp")
            clock += ["--base-url", here.base_url, "--token", token]
        async with simulated(tmp_path, *clock) as events:
            if starter == "us":
                heard = await until(lambda: of(events, "listening"))
                await start(desk, "fp", base_url=heard[0]["base_url"], token=heard[0]["token"])
            await until(lambda: len(of(events, "charged")) >= 6, message=(tmp_path / "err.log").read_text())
            asked = await until(lambda: of(events, "asked"))
            request = await pool.fetchrow("select * from capacity_request")
            await decide(pool, np.full((1, 96), 30_000.0), kinds=["CONSUMPTION"], correlation_id=asked[0]["id"])
            await until(lambda: of(events, "forecast", answers=asked[0]["id"]))
            await until(lambda: here.offline_mode_at("fp"))

    assert {e["type"] for e in of(events, "forecast")} == set(KINDS)
    assert not of(events, "sent", outcome="refused")
    assert request["kind"] == ForecastKind.CONSUMPTION
    assert np.frombuffer(request["wanted_w"], "<f4").tolist() == [30_000.0] * 4
    assert here.requests == [request["request_no"]]
    usage = UsageStore(pool)
    await settle_usage(usage, now())
    charged = of(events, "charged")
    first = quarter_at(NOW)
    known_w = await usage.known_usage(0, Window(first, len(charged) - 1))
    told_w = np.array([c["load_w"] for c in charged[: len(charged) - 1]]).T
    np.testing.assert_allclose(known_w, told_w, atol=1.0)
    assert told_w.sum() > 0


def test_an_unknown_misbehaviour_is_named():
    with pytest.raises(Unsuitable, match="sulk is unknown"):
        misbehaviour_of(["sulk"])
