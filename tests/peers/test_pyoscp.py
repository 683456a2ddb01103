"""An independent implementation, pyoscp, takes what we send: both who-starts directions."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from ampacity.operations.register import invite, start
from ampacity.timegrid import quarter_at
from tests.peers.world import KINDS, NOW, add_grid, block, decide, free_port, post, until, world

PROFILE = {"preset": "pyoscp"}


@asynccontextmanager
async def pyoscp(folder: Path, port: int, *arguments: str):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("pyoscp_provider.py")), str(port), str(folder), *arguments,
        stdout=(folder / "out.log").open("wb"), stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def received(folder: Path) -> list[dict]:
    log = folder / "forecasts.jsonl"
    whole = log.read_text().rpartition("\n")[0] if log.exists() else ""  # the last line may still be being written
    return [json.loads(line) for line in whole.splitlines()]


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.parametrize("starter", ["us", "them"])
async def test_pyoscp_registers_and_takes_all_five_kinds_and_an_answer(pool, tmp_path, starter):
    await add_grid(pool, {"g1": "pyoscp", "g2": "pyoscp"})
    port = free_port()
    base_url = f"http://127.0.0.1:{port}/oscp/fp/2.0"

    async with world(pool) as here:
        if starter == "us":
            process = pyoscp(tmp_path, port, "one-time-token")
        else:
            token = await invite(here.peering.desk, "pyoscp", PROFILE)
            process = pyoscp(tmp_path, port, "its-own-token", here.base_url, token)
        async with process:
            await until(lambda: answers(port))
            if starter == "us":
                await start(here.peering.desk, "pyoscp", base_url=base_url, token="one-time-token", profile=PROFILE)
            await until(lambda: _is(here, "connected"), within_s=20)
            await decide(pool, np.full((2, 96), 11_000.0))
            got = await until(lambda: _all(received(tmp_path), 10))

            ask = {"group_id": "g1", "type": "CONSUMPTION", "forecasted_blocks": [block(quarter_at(NOW) + 4, 16_000.0)]}
            url = here.base_url + "/adjust_group_capacity_forecast"
            asked = await post(url, _endpoint(tmp_path)["register"]["token"], ask, X_Request_ID="ask-1")
            assert asked.status_code == 204, asked.text
            await decide(pool, np.full((2, 96), 16_000.0), kinds=["CONSUMPTION"], correlation_id="ask-1")
            answer = await until(lambda: [m for m in received(tmp_path) if m["correlation"] == "ask-1"])
            await until(lambda: "offline_at" in _endpoint(tmp_path))  # it understood our heartbeat
            await until(lambda: here.offline_mode_at("pyoscp"))  # and we its own

    assert {(m["group_id"], m["type"]) for m in got} == {(g, k) for g in ("g1", "g2") for k in KINDS}
    assert all(len(m["forecasted_blocks"]) == 3 * 96 for m in got)
    assert got[0]["forecasted_blocks"][0]["capacity"] == pytest.approx(15.8)
    assert answer[0]["forecasted_blocks"][0]["capacity"] == pytest.approx(23.0)
    assert len(here.requests) == 1


async def _is(here, state: str) -> bool:
    return await here.state("pyoscp") == state


def _all(messages: list, count: int):
    return messages if len(messages) >= count else None


def _endpoint(folder: Path) -> dict:
    """What pyoscp knows of us: a file that it keeps."""
    try:
        endpoints = json.loads((folder / "endpoints.json").read_text())
    except json.JSONDecodeError:  # it is writing
        return {}
    return next(iter(endpoints.values()), {})
