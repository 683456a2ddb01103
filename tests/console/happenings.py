"""What happens in a console's database, so that there is something to see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ampacity.forecasting import LoadForecast
from ampacity.forecasting.quality import score_forecast
from ampacity.operations.accounts import sign_in
from ampacity.operations.adjust import decide_waiting
from ampacity.operations.settings import NegotiationSettings
from ampacity.peers.types import Complaint
from ampacity.people import Role
from ampacity.store.asked import AskedStore
from ampacity.store.pool import Pool
from ampacity.store.quality import QualityStore
from ampacity.timegrid import Window
from tests.console.world import wall
from tests.operations.people import PASSWORD, person, reception
from tests.operations.test_adjust import HARBOUR, NORTH, Bench
from tests.operations.test_cycle import AT

PEOPLE = {"ada": Role.OPERATOR, "grace": Role.OPERATOR, "vi": Role.VIEWER, "root": Role.ADMIN}
NORTH_C2 = 2


@dataclass(frozen=True)
class Staffed:
    """A database in which something happens, with people who are signed in."""

    name: str
    tokens: Mapping[str, str]


async def let_in(pool: Pool) -> dict[str, str]:
    """People of each role, each with a session; gives its tokens."""
    at, tokens = reception(pool, wall), {}
    for name, role in PEOPLE.items():
        await person(pool, name, role, wall)
        tokens[name] = await sign_in(at, name, PASSWORD, "127.0.0.1")
    return tokens


async def make_something_happen(pool: Pool) -> None:
    """Elements with places, a complaint, a scored forecast, requests: 1 decided, 2 and 3 for a person, 4 waits."""
    places = "latitude = 52 + element_no * 0.01, longitude = 5 + element_no % 2 * 0.01"
    await pool.execute(f"update element_version set {places}")
    bench, now = Bench(pool), AT + timedelta(minutes=3)
    await bench.ask(NORTH, 40_000.0, at=now)
    await bench.decide(now)
    await bench.ask(HARBOUR, 25_000.0, at=now)
    await bench.ask(NORTH_C2, 17_000.0, at=now)
    asks = NegotiationSettings(consent_above_w=100.0, consent_wait_s=600.0)
    await decide_waiting(now, grid=bench.on.grid, requests=bench.on.requests, rules=asks)
    await bench.ask(HARBOUR, 15_000.0, at=now)
    await about_a_forecast(pool, "a charger is broken")
    await score_element_c1(pool)


async def complain(pool: Pool, about: str | None, message: str, request_id: str) -> None:
    complaint = Complaint(
        message=message, request_id=request_id, content_hash=request_id.encode(), correlation_id=about,
        detail=[{"capacity": 5.0, "unit": "A", "start_time": "2026-02-02T01:00:00Z"}],
    )  # fmt: skip
    assert await AskedStore(pool).add_complaint(0, complaint, AT)


async def about_a_forecast(pool: Pool, message: str, request_id: str = "about-one") -> None:
    sent = await pool.fetchval(
        "select request_id::text from outbound_forecast where group_no = 0 and kind = 'CONSUMPTION'"
    )
    await complain(pool, sent, message, request_id)


async def score_element_c1(pool: Pool, came_w: float = 5.0) -> None:
    """A scored forecast: c1 was below its 5 % quantile on one phase all day, all others stood on the median."""
    load_w = np.broadcast_to(np.array([0.0, 10, 100, 190, 200])[:, None, None, None], (5, 3, 3, 96)).astype("f4")
    said = LoadForecast(
        window=Window(0, 96), levels=(0.01, 0.05, 0.5, 0.95, 0.99), load_w=load_w, source=np.full((3, 3), 4, "i1")
    )
    all_w = np.full((3, 3, 96), 100.0)
    all_w[1, 0] = came_w
    await QualityStore(pool).keep_score(AT, 0, score_forecast(said, all_w, 0.01))
