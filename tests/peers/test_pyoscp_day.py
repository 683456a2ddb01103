"""A day of real cycles at speed, with pyoscp as the peer."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest

from ampacity.app.clock import make_clock
from ampacity.app.server import build_server, started
from ampacity.app.session import Store
from ampacity.app.settings import ServerSettings, Settings
from ampacity.operations.register import invite
from ampacity.timegrid import QUARTERS_PER_DAY
from tests.peers.test_kill import history
from tests.peers.test_pyoscp import PROFILE, answers, pyoscp, received
from tests.peers.world import KINDS, NOW, add_grid, free_port, settings, until

SPEED = 1500  # a quarter hour in 0.6 s


@pytest.mark.slow
async def test_a_day_of_cycles_reaches_pyoscp_whole_and_in_order(pool, tmp_path):
    await add_grid(pool, {"g1": "pyoscp", "g2": "pyoscp"}, unit="W")
    await history(pool)
    port, own = free_port(), free_port()
    made = Settings(server=ServerSettings(port=own), oscp=settings())
    async with started(build_server(Store(pool), made, make_clock(NOW, SPEED))) as _:
        desk = build_server(Store(pool), made, make_clock(NOW, SPEED)).peering.desk
        token = await invite(desk, "pyoscp", {**PROFILE, "every_forecast": True})
        cp_url = f"http://127.0.0.1:{own}/oscp/cp/2.0"
        async with pyoscp(tmp_path, port, "its-own-token", cp_url, token):
            await until(lambda: answers(port), within_s=30)

            async def a_day():
                cycles = await pool.fetchval("select count(*) from decision where kind = 'cycle'")
                return cycles >= QUARTERS_PER_DAY + 4

            await until(a_day, within_s=240)
            await asyncio.sleep(2.0)

    got = received(tmp_path)
    assert await pool.fetchval("select count(*) from outbound_forecast where dead_at is not null") == 0
    kinds = Counter(m["type"] for m in got)
    assert set(kinds) == set(KINDS)
    sent = await pool.fetchval("select count(*) from outbound_forecast where sent_at is not null")
    assert len(got) >= sent > 0.8 * QUARTERS_PER_DAY * 3 * 2  # what was not sent in time was superseded
    for group_id, kind in product(("g1", "g2"), KINDS):
        spans = [_span(m["forecasted_blocks"]) for m in got if (m["group_id"], m["type"]) == (group_id, kind)]
        assert spans == sorted(spans)
        at_least = timedelta(days=7 if kind.startswith("FALLBACK") else 1)
        for (_, holds_until), (decided_at, _) in pairwise(spans):
            assert holds_until >= decided_at + at_least, (group_id, kind)
    print(kinds, sent)  # noqa: T201  # the counts belong into the report


def _span(blocks: list[dict]) -> tuple[datetime, datetime]:
    """From when to when a forecast says something; it is decided in the quarter with which it begins."""
    begin, end = (datetime.fromisoformat(at) for at in (blocks[0]["start_time"], blocks[-1]["end_time"]))
    return begin, end
