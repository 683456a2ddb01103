"""A server that is killed at any moment leaves nothing half decided, and the next one carries on."""

import asyncio
import random
import re
import signal
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ampacity.intake.bundled import bundled_folder
from tests.acceptance.commands import read_until, run, started
from tests.peers.world import free_port

START = datetime(2016, 6, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
async def test_kills_at_random_moments_leave_every_decision_whole(dsn, kills):
    on = {"DATABASE_URL": dsn}
    assert run("import", str(bundled_folder()), **on).returncode == 0
    chance = random.Random(7)
    at = START
    for _ in range(kills):
        words = ["serve", "--at", at.isoformat(), "--speed", "3600", "--port", str(free_port())]
        with started(*words, AMPACITY_CYCLE_LEASE_S="0.5", **on) as server:
            read_until(server, "serving on")
            await asyncio.sleep(chance.uniform(0.05, 1.5))
            server.kill()
            server.wait()
        at += timedelta(hours=3)
    words = ["serve", "--at", at.isoformat(), "--speed", "3600", "--port", str(free_port())]
    with started(*words, AMPACITY_CYCLE_LEASE_S="0.5", **on) as server:
        said = read_until(server, "decision")
    connection = await asyncpg.connect(dsn)

    assert re.search(r"cycle \d{4}", said)
    unbound = await connection.fetchval(
        "select count(*) from decision d"
        " where kind = 'cycle' and not exists (select from cycle where decision_id = d.decision_id)"
    )
    assert unbound == 0
    parts = await connection.fetch(
        "select d.decision_id, d.summary,"
        " (select count(*) from forecast_block b where b.decision_id = d.decision_id) as forecasts,"
        " (select count(*) from headroom_block b"
        "  where b.decision_id = d.decision_id and step_quarters = 1) as headrooms,"
        " (select count(distinct kind) from allocation_block b where b.decision_id = d.decision_id) as kinds"
        " from decision d where kind = 'cycle'"
    )
    assert len(parts) >= 1
    assert all((p["forecasts"], p["headrooms"]) == (1, 4) and p["kinds"] in {3, 5} for p in parts)
    assert all(p["summary"] != "{}" for p in parts)
    await connection.close()


async def test_ctrl_c_and_sigterm_end_it_in_order(dsn):
    on = {"DATABASE_URL": dsn}
    run("import", str(bundled_folder()), **on)
    for number in (signal.SIGINT, signal.SIGTERM):
        with started("serve", "--at", START.isoformat(), "--port", str(free_port()), **on) as server:
            read_until(server, "serving on")
            server.send_signal(number)
            rest = server.stdout.read()

        assert server.wait() == 130
        assert "Traceback" not in rest


def test_a_port_that_is_taken_is_told(dsn):
    on = {"DATABASE_URL": dsn}
    run("import", str(bundled_folder()), **on)
    port = str(free_port())
    with started("serve", "--at", START.isoformat(), "--port", port, **on) as server:
        read_until(server, "serving on")

        second = run("serve", "--at", START.isoformat(), "--port", port, **on)

    assert second.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened on" in second.stderr
