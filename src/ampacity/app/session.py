"""A database that is ready for use: the one that DATABASE_URL names, else the embedded one."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from ampacity.app.engine import LOCAL, open_engine
from ampacity.app.settings import Settings, database_folder
from ampacity.errors import NotReady
from ampacity.operations.cycle import CyclePorts
from ampacity.operations.engine import LocalEngine
from ampacity.ports import Engine
from ampacity.store.embedded import embedded_server
from ampacity.store.migrations import migrate, pending
from ampacity.store.peers import PeerStore
from ampacity.store.pool import Pool, connect
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.quality import QualityStore
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from ampacity.store.weather_fetches import WeatherFetches


@dataclass(frozen=True)
class Store:
    """Every port on one pool."""

    pool: Pool
    engine: Engine = field(default_factory=LocalEngine)

    @cached_property
    def grid(self) -> PostgresGrid:
        return PostgresGrid(self.pool)

    @cached_property
    def cycles(self) -> PostgresCycles:
        return PostgresCycles(self.pool)

    @cached_property
    def quality(self) -> QualityStore:
        return QualityStore(self.pool)

    @cached_property
    def requests(self) -> PostgresRequests:
        return PostgresRequests(self.pool)

    @cached_property
    def weather_fetches(self) -> WeatherFetches:
        return WeatherFetches(self.pool)

    @cached_property
    def usage(self) -> UsageStore:
        return UsageStore(self.pool)

    @cached_property
    def peers(self) -> PeerStore:
        return PeerStore(self.pool)

    @cached_property
    def cycle_ports(self) -> CyclePorts:
        return CyclePorts(
            grid=self.grid,
            cycles=self.cycles,
            requests=self.requests,
            peers=self.peers,
            usage=self.usage,
            engine=self.engine,
        )


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of the database; an embedded one runs while it is in use."""
    if settings.database.url:
        yield settings.database.url
    else:
        with embedded_server(database_folder(settings.database, os.environ)) as dsn:
            yield dsn


@asynccontextmanager
async def open_store(dsn: str, settings: Settings, *, pool_size: int = 10, engine: str = LOCAL) -> AsyncIterator[Store]:
    """The store, migrated, with an engine.  An empty database and the embedded one are brought up to date unasked.

    Raises:
        NotReady: a server's schema is behind: somebody has to decide when it is migrated.
    """
    pool = await connect(dsn, max_size=pool_size)
    try:
        async with pool.acquire() as connection:
            due = await pending(connection)
            if due.steps and not due.is_empty and settings.database.url:
                names = ", ".join(due.steps)
                raise NotReady(f"the database is behind this version by {names}: run `ampacity migrate` first")
            if due.steps:
                await migrate(connection)
        async with open_engine(engine) as computing:
            yield Store(pool, computing)
    finally:
        await pool.close()
