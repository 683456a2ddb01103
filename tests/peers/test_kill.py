"""The server killed at random moments, with sends and requests in flight: nothing lost, doubled or out of order."""

import asyncio
import os
import random
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import numpy as np
import pytest

from ampacity.timegrid import quarter_at
from tests.killing import kill_whole
from tests.peers.test_outbox import sink
from tests.peers.world import NOW, SECRET, add_grid, block, free_port, give_token

SPEED = 1800  # a quarter hour in half a second
PEACE_SPEED = 60  # then in a quarter of a minute: what has piled up is worked off between the cycles
STALLED_S = 30.0


@asynccontextmanager
async def served(dsn: str, port: int, at, log, speed: int = SPEED):
    """`ampacity serve` as a process of its own, on the clock of the data from a moment on."""
    environment = {
        **os.environ, "DATABASE_URL": dsn,
        "AMPACITY_OSCP_SECRET_KEY": SECRET, "AMPACITY_OSCP_TRUSTED_HOSTS": "127.0.0.1",
        "AMPACITY_OSCP_LEASE_S": "4", "AMPACITY_OSCP_SEND_TIMEOUT_S": "2", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampacity", "serve", "--port", str(port), "--at", at.isoformat(), "--speed", str(speed),
        stdout=log, stderr=log, env=environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        await kill_whole(process)


async def ask_on(base_url: str, clock, taken: list[str], first: int) -> None:
    """Ask again and again; what was answered with 204 is noted."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
        for n in range(first, first + 10_000):
            body = {
                "group_id": "g1", "type": "CONSUMPTION",
                "forecasted_blocks": [block(quarter_at(clock()) + 2, 1000 + n, quarters=4)],
            }  # fmt: skip
            try:
                answer = await http.post(
                    f"{base_url}/adjust_group_capacity_forecast", json=body,
                    headers={"Authorization": "Token one", "X-Request-ID": f"ask-{n}"},
                )  # fmt: skip
                if answer.status_code == 204:
                    taken.append(f"ask-{n}")
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)


async def history(pool) -> None:
    """Ten days of a load like a sine of the day."""
    await pool.execute("select ensure_load_partitions($1, $2)", quarter_at(NOW) - 960, quarter_at(NOW))
    for day in range(10):
        q = np.arange(96)
        load_w = 5000 + 3000 * np.sin(q / 96 * 2 * np.pi) + np.random.default_rng(day).normal(0, 200, 96)
        await pool.execute(
            "insert into load_block (subject, first_no, subjects, first_quarter, quarters, load_w)"
            " values ('element', 0, 1, $1, 96, $2)",
            quarter_at(NOW) - (10 - day) * 96, np.broadcast_to(load_w, (1, 3, 96)).astype("<f4").tobytes(),
        )  # fmt: skip


async def kill_at_random(pool, dsn, tmp_path, kills: int) -> dict[str, int]:
    rng = random.Random(20261121)
    await add_grid(pool, {"g1": "one", "g2": "one"}, unit="W")
    await history(pool)
    taken: list[str] = []
    port = free_port()
    base_url = f"http://127.0.0.1:{port}/oscp/cp/2.0"
    begun = asyncio.get_running_loop().time()

    def clock():
        return NOW + timedelta(seconds=(asyncio.get_running_loop().time() - begun) * SPEED)

    async with sink(pool, "one", profile={"every_forecast": True}) as fp:
        await give_token(pool, "one", "one")
        asking: asyncio.Task | None = None
        with (tmp_path / "serve.log").open("wb") as log:
            for _ in range(kills):
                decided = await cycles(pool)
                async with served(dsn, port, clock(), log) as process:
                    while await cycles(pool) == decided and process.returncode is None:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)  # it is at work
                    assert process.returncode is None, (tmp_path / "serve.log").read_text()[-3000:]
                    asking = asking or asyncio.create_task(ask_on(base_url, clock, taken, 0))  # there is a forecast
                    await asyncio.sleep(rng.uniform(0.0, 1.2))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            backlog = await undecided(pool)
            async with served(dsn, port, clock(), log, PEACE_SPEED):  # and now in peace
                await drained(pool)
    await check(pool, fp, taken)
    counted = await pool.fetchrow(
        "select count(*) filter (where kind = 'cycle') as cycles, count(*) filter (where kind = 'request') as answers,"
        " (select count(*) from outbound_forecast) as messages,"
        " (select count(*) from outbound_forecast where superseded_at is not null) as superseded,"
        " (select count(*) from outbound_forecast where attempts > 1) as sent_again"
        " from decision"
    )
    return {
        "kills": kills, **counted, "requests": len(taken), "undecided_at_the_end": backlog, "delivered": len(fp.got),
    }  # fmt: skip


async def cycles(pool) -> int:
    return await pool.fetchval("select count(*) from decision where kind = 'cycle'")


async def undecided(pool) -> int:
    return await pool.fetchval(
        "select count(*) from capacity_request r where not exists (select from request_event e"
        " where e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned'))"
    )


async def drained(pool) -> None:
    """All that was decided before now is sent or superseded, and all requests are decided and answered."""
    newest = await pool.fetchval("select max(message_id) from outbound_forecast")
    least, since = None, asyncio.get_running_loop().time()
    while True:
        waiting = await undecided(pool)
        left = await pool.fetchval(
            "select count(*) from outbound_forecast"
            " where (message_id <= $1 or correlation_id is not null) and sent_at is null and superseded_at is null",
            newest,
        )
        if not left and not waiting:
            return
        if least is None or waiting + left < least:
            least, since = waiting + left, asyncio.get_running_loop().time()
        if asyncio.get_running_loop().time() > since + STALLED_S:
            pytest.fail(f"{left} messages and {waiting} requests are left, and nothing goes on")
        await asyncio.sleep(0.1)


async def check(pool, fp, taken: list[str]) -> None:
    doubled = await pool.fetch("select made_at from decision where kind = 'cycle' group by made_at having count(*) > 1")
    assert doubled == []
    half = await pool.fetchval(
        "select count(*) from decision d where kind = 'cycle' and not exists"
        " (select from cycle c where c.decision_id = d.decision_id)"
    )
    assert half == 0
    kinds_of = await pool.fetch(
        "select d.decision_id, count(*) from decision d join outbound_forecast o using (decision_id)"
        " where d.kind = 'cycle' group by 1 having count(*) % 2 <> 0"
    )
    assert kinds_of == []  # each kind for both groups
    unsent = await pool.fetchval(
        "select count(*) from decision d where kind = 'cycle' and not exists"
        " (select from outbound_forecast o where o.decision_id = d.decision_id)"
    )
    assert unsent == 0
    assert await pool.fetchval("select count(*) from outbound_forecast where dead_at is not null") == 0
    recorded = {r["request_id"] for r in await pool.fetch("select request_id from capacity_request")}
    assert set(taken) <= recorded
    answered = {
        r["correlation_id"]
        for r in await pool.fetch("select correlation_id from outbound_forecast where sent_at is not null")
    }
    lost = recorded - answered
    story = await pool.fetch(
        "select r.request_id, e.step, e.reason, e.decision_id from capacity_request r"
        " left join request_event e using (request_no) where r.request_id = any ($1::text[])",
        list(lost),
    )
    assert not lost, "\n".join(str(dict(row)) for row in story)
    number = {
        str(r["request_id"]): r["message_id"]
        for r in await pool.fetch("select request_id, message_id from outbound_forecast")
    }
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    for body, headers in fp.got:
        seen[body["group_id"], body["type"]].append(number[headers["x-request-id"]])
    assert all(order == sorted(order) for order in seen.values())


async def test_a_few_kills_lose_nothing(pool, dsn, tmp_path, record_property):
    counts = await kill_at_random(pool, dsn, tmp_path, 2)

    for name, count in counts.items():
        record_property(name.replace("_", " "), count)
    assert counts["requests"] > 0
    assert counts["delivered"] > 0


@pytest.mark.slow
async def test_two_hundred_kills_lose_nothing(pool, dsn, tmp_path, record_property):
    counts = await kill_at_random(pool, dsn, tmp_path, 200)

    for name, count in counts.items():
        record_property(name.replace("_", " "), count)
    assert counts["cycles"] >= 200
