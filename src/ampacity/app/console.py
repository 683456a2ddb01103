"""The operators' console, wired on a store."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Router

from ampacity.app.clock import DataClock, wall_clock
from ampacity.app.peering import Peering
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.console.desk import ConsolePorts
from ampacity.console.router import console_router
from ampacity.console.settings import ConsoleSettings
from ampacity.console_ports import IdentityProvider
from ampacity.operations.lookout import Lookout
from ampacity.operations.watch import Watch
from ampacity.store.changes import ChangeFeed
from ampacity.store.complaints import PostgresComplaints
from ampacity.store.console import PostgresViews
from ampacity.store.dead_letters import PostgresDeadLetters
from ampacity.store.limits import PostgresLimits
from ampacity.store.people import PostgresPeople
from ampacity.store.quality import QualityStore
from ampacity.store.records import PostgresRecords

PATIENCE_S = 0.03  # then a page shows what it showed before, and is told when there is more


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """The console's routes, with the feed of changes and the watch that have to run beside them."""

    router: Router
    feed: ChangeFeed
    watch: Watch


def build_console(
    store: Store, settings: Settings, peering: Peering, clock: DataClock, demo_accounts: Sequence[str]
) -> Mounted:
    """Wire the console; nothing runs yet."""
    feed = ChangeFeed(store.pool)
    views = PostgresViews(store.pool)
    lookout = Lookout(views, store.grid, settings.cycle.power_factor, patience_s=PATIENCE_S)
    ports = ConsolePorts(
        views=views,
        people=PostgresPeople(store.pool),
        limits=PostgresLimits(store.pool),
        grid=store.grid,
        requests=store.requests,
        records=PostgresRecords(store.pool),
        peers=store.peers,
        scores=QualityStore(store.pool),
        dead_letters=PostgresDeadLetters(store.pool),
        complaints=PostgresComplaints(store.pool),
        weather_fetches=store.weather_fetches,
        changes=feed,
        identity=_identity(settings.console),
        sessions=peering.desk,
    )
    router = console_router(
        ports,
        settings.console,
        clock=clock,
        wall=wall_clock,
        base_url=settings.server.base_url(),
        power_factor=settings.cycle.power_factor,
        demo_accounts=demo_accounts,
        lookout=lookout,
    )
    return Mounted(router=router, feed=feed, watch=Watch(lookout, feed, clock))


def _identity(settings: ConsoleSettings) -> IdentityProvider | None:
    if not settings.oidc_issuer:
        return None
    with warnings.catch_warnings():  # authlib announces its next HTTP library to every user of this one
        warnings.simplefilter("ignore", DeprecationWarning)
        from ampacity.identity import OpenIdProvider  # noqa: PLC0415  # only where somebody signs in through it

    return OpenIdProvider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
