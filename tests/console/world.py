"""The console on a database, as an app."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from litestar import Litestar

from ampacity.app.peering import build_peering
from ampacity.console.desk import ConsolePorts
from ampacity.console.router import console_router
from ampacity.console.settings import ConsoleSettings
from ampacity.console_ports import IdentityProvider
from ampacity.operations.lookout import Lookout
from ampacity.oscp.settings import OscpSettings
from ampacity.store.changes import ChangeFeed
from ampacity.store.complaints import PostgresComplaints
from ampacity.store.console import PostgresViews
from ampacity.store.dead_letters import PostgresDeadLetters
from ampacity.store.limits import PostgresLimits
from ampacity.store.people import PostgresPeople
from ampacity.store.pool import Pool
from ampacity.store.postgres import PostgresGrid
from ampacity.store.quality import QualityStore
from ampacity.store.records import PostgresRecords
from ampacity.store.requests import PostgresRequests
from ampacity.store.weather_fetches import WeatherFetches
from tests.operations.conftest import Connected
from tests.operations.people import Hands
from tests.operations.test_cycle import AT

SETTINGS = ConsoleSettings(secure_cookies=False)


def wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class World:
    """An app, the feed that it listens to, and the clock of its data."""

    pool: Pool
    app: Litestar
    feed: ChangeFeed
    clock: Hands


def build(
    pool: Pool,
    *,
    base_url: str = "http://testserver",
    settings: ConsoleSettings = SETTINGS,
    identity: IdentityProvider | None = None,
    demo: Sequence[str] = (),
    lookout: Lookout | None = None,
) -> World:
    feed = ChangeFeed(pool)
    clock = Hands(AT + timedelta(minutes=5))
    peering = build_peering(pool, OscpSettings(secret_key="k" * 40), public_url=base_url, clock=clock)
    desk = peering.desk
    ports = ConsolePorts(
        views=PostgresViews(pool), people=PostgresPeople(pool), limits=PostgresLimits(pool), grid=PostgresGrid(pool),
        requests=PostgresRequests(pool), records=PostgresRecords(pool), peers=Connected(frozenset({0})),
        scores=QualityStore(pool), dead_letters=PostgresDeadLetters(pool),
        complaints=PostgresComplaints(pool), weather_fetches=WeatherFetches(pool), changes=feed, identity=identity,
        sessions=desk,
    )  # fmt: skip
    router = console_router(
        ports, settings, clock=clock, wall=wall, base_url=base_url, demo_accounts=demo, lookout=lookout
    )
    app = Litestar([router], debug=False, logging_config=None, lifespan=[lambda _: feed.running()], openapi_config=None)
    return World(pool=pool, app=app, feed=feed, clock=clock)
