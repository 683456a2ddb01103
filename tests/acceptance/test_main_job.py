"""The main job with an independent counterpart: pyoscp takes our forecasts, asks, gives back and is answered."""

import json
from datetime import datetime, timedelta

import asyncpg

from ampacity.intake.bundled import bundled_folder
from ampacity.timegrid import quarter_at
from tests.acceptance.commands import read_until, run, started
from tests.peers.test_pyoscp import _endpoint, pyoscp, received
from tests.peers.world import block, free_port, post, until

AT = datetime.fromisoformat("2016-06-05T12:00:00+00:00")
GROUPS = {f"feeder-{n}-harbour-mobility" for n in range(1, 8)}
KINDS = {"CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM"}


async def test_pyoscp_gets_its_forecasts_asks_for_more_and_gives_back(dsn, tmp_path):
    port, fp_port = free_port(), free_port()
    on = {
        "DATABASE_URL": dsn, "AMPACITY_OSCP_TRUSTED_HOSTS": "127.0.0.1", "AMPACITY_SERVER_PORT": str(port),
        "AMPACITY_OSCP_HEARTBEAT_INTERVAL_S": "5",
    }  # fmt: skip
    assert run("import", str(bundled_folder()), **on).returncode == 0
    added = run("peers", "add", "harbour-mobility", "--profile", "pyoscp", "--json", **on)
    invitation = json.loads(added.stdout)

    with started("serve", "--at", AT.isoformat(), "--speed", "60", **on) as server:
        read_until(server, "decision")
        async with pyoscp(tmp_path, fp_port, "its-own-token", invitation["base_url"], invitation["token"]):
            await until(lambda: {(m["group_id"], m["type"]) for m in received(tmp_path)} >= _all_kinds(), within_s=60)
            first = received(tmp_path)
            back = await _ask(tmp_path, invitation["base_url"], "back", 0.0)
            more = await _ask(tmp_path, invitation["base_url"], "more", 20_000.0)
            await until(lambda: _later_slots(tmp_path), within_s=90)

    told = next(m for m in first if m["type"] == "CONSUMPTION")
    blocks = told["forecasted_blocks"]
    assert blocks[0]["unit"] == "KW"
    assert blocks[0]["phase"] == "ALL"
    assert _hours(blocks) >= 24
    fallback = next(m for m in first if m["type"] == "FALLBACK_CONSUMPTION")
    assert _hours(fallback["forecasted_blocks"]) >= 7 * 24
    assert _capacity_at(back, AT + timedelta(hours=6)) == 0
    assert _capacity_at(more, AT + timedelta(hours=6)) == 20
    connection = await asyncpg.connect(dsn)
    steps = await connection.fetch("select step::text from request_event where step <> 'received' order by event_no")
    dead = await connection.fetchval("select count(*) from outbound_forecast where dead_at is not null")
    await connection.close()
    assert [r["step"] for r in steps][:2] == ["returned", "granted"]
    assert dead == 0


def _all_kinds() -> set[tuple[str, str]]:
    return {(g, k) for g in GROUPS for k in KINDS}


async def _ask(folder, base_url: str, request_id: str, capacity_w: float) -> dict:
    """Ask for a total at six hours from the begin; gives the answer that pyoscp got."""
    asked = block(quarter_at(AT + timedelta(hours=6)), capacity_w, quarters=4)
    body = {"group_id": "feeder-1-harbour-mobility", "type": "CONSUMPTION", "forecasted_blocks": [asked]}
    url = base_url + "/adjust_group_capacity_forecast"
    answer = await post(url, _endpoint(folder)["register"]["token"], body, X_Request_ID=request_id)
    assert answer.status_code == 204, answer.text
    found = await until(lambda: [m for m in received(folder) if m["correlation"] == request_id], within_s=30)
    return found[0]


def _later_slots(folder) -> bool:
    starts = {m["forecasted_blocks"][0]["start_time"] for m in received(folder) if m["type"] == "GENERATION"}
    return len(starts) >= 2


def _hours(blocks: list[dict]) -> float:
    begin, end = (datetime.fromisoformat(t) for t in (blocks[0]["start_time"], blocks[-1]["end_time"]))
    return (end - begin) / timedelta(hours=1)


def _capacity_at(message: dict, moment: datetime) -> float:
    for b in message["forecasted_blocks"]:
        if datetime.fromisoformat(b["start_time"]) <= moment < datetime.fromisoformat(b["end_time"]):
            return b["capacity"]
    raise AssertionError(f"nothing is said about {moment}")
