"""The server: endpoints and console, and what runs by itself: in processes of its own, or beside them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from litestar import Controller, Litestar, Router, get
from litestar.datastructures import State
from litestar.response import Redirect
from litestar.types import ASGIApp, ControllerRouterHandler

from ampacity.app.beside import beside
from ampacity.app.clock import DataClock
from ampacity.app.console import build_console
from ampacity.app.engine import LOCAL
from ampacity.app.gateway.files import watch
from ampacity.app.gateway.routes import gateway_controller
from ampacity.app.listening import patient
from ampacity.app.parts import Part, Parts
from ampacity.app.peering import Peering, build_peering, running
from ampacity.app.schedule import Schedule
from ampacity.app.secret import with_secret_key
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.app.weather_intake import WeatherRounds
from ampacity.console.router import PATH
from ampacity.errors import NotReady
from ampacity.operations.watch import Watch
from ampacity.oscp.routes import with_short_ways
from ampacity.oscp.sandbox import Journal, noting, sandbox_router
from ampacity.ports import CycleRecord
from ampacity.store.changes import ChangeFeed


@dataclass(frozen=True, kw_only=True)
class Apart:
    """What other processes of this server need."""

    dsn: str
    engine: str = LOCAL


@dataclass(frozen=True, kw_only=True)
class Server:
    """A wired server; `running` starts it."""

    app: ASGIApp
    peering: Peering
    schedule: Schedule
    weather: WeatherRounds
    settings: Settings
    feed: ChangeFeed  # of what the console shows
    watch: Watch  # keeps it ready
    parts: Parts | None  # where they are processes of their own


def build_server(
    store: Store,
    settings: Settings,
    clock: DataClock,
    *,
    on_cycle: Callable[[CycleRecord], None] = lambda _: None,
    sandbox: bool = False,
    demo_accounts: Sequence[str] = (),
    apart: Apart | None = None,
) -> Server:
    """Wire everything on a store; nothing runs yet.

    Args:
        apart: Where the database and the engine are, if cycles, decisions and sending are to be other processes.
        demo_accounts: People whom any visitor of the console may be; for the demonstration alone.
    """
    asked = asyncio.Event()
    journal = Journal() if sandbox else None
    peering = build_peering(
        store.pool,
        with_secret_key(settings, os.environ),
        public_url=settings.server.base_url(),
        clock=clock,
        decide=lambda _: asked.set(),
        journal=journal,
    )
    schedule = Schedule(
        store=store, settings=settings, clock=clock, wake_sender=peering.woken.set, on_cycle=on_cycle, asked=asked
    )
    console = build_console(store, settings, peering, clock, demo_accounts)
    app = create_app(peering, console.router, journal, _gateway(store, settings, clock))
    weather = WeatherRounds(store=store, settings=settings)
    return Server(
        app=app, peering=peering, schedule=schedule, weather=weather, settings=settings, feed=console.feed,
        watch=console.watch, parts=_parts(apart, settings, clock, peering, asked),
    )  # fmt: skip


def _parts(
    apart: Apart | None, settings: Settings, clock: DataClock, peering: Peering, asked: asyncio.Event
) -> Parts | None:
    if apart is None:
        return None
    due = {part: asyncio.Event() for part in Part} | {Part.DECISIONS: asked, Part.SENDING: peering.woken}
    return Parts(dsn=apart.dsn, settings=settings, clock=clock, engine=apart.engine, due=due)


def _gateway(store: Store, settings: Settings, clock: DataClock) -> list[type[Controller]]:
    """The way in for a gateway, where it has a token."""
    if not settings.gateway.token:
        return []
    return [gateway_controller(settings.gateway, pool=store.pool, grid=store.grid, clock=clock)]


def create_app(
    peering: Peering, console: Router, journal: Journal | None = None, others: Sequence[type[Controller]] = ()
) -> ASGIApp:
    """The web application on wired parts; with a journal it is a sandbox."""
    state = State({"oscp": peering.endpoint, "journal": journal})
    routes: list[ControllerRouterHandler] = [peering.router, console, to_console, *others]
    if journal is None:
        return with_short_ways(Litestar(routes, state=state, logging_config=None), peering.endpoint)
    app = Litestar([*routes, sandbox_router()], state=state, logging_config=None)
    return noting(with_short_ways(app, peering.endpoint), journal, peering.endpoint)


@get("/", include_in_schema=False, status_code=303)
async def to_console() -> Redirect:
    """People who come to the address are looking for the console."""
    return Redirect(PATH + "/", status_code=303)


@asynccontextmanager
async def started(server: Server) -> AsyncIterator[None]:
    """Listen, then run cycles, decisions and deliveries until the block ends.

    Raises:
        NotReady: the port is taken.
    """
    settings = server.settings.server
    with _bound(settings.host, settings.port) as listening_socket:
        listener = _Listener(
            uvicorn.Config(
                server.app,
                http=patient(settings.head_timeout_s),
                log_level="warning",
                lifespan="on",
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        serving = asyncio.create_task(listener.serve(sockets=[listening_socket]))
        try:
            while not listener.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.02)
            async with (
                server.feed.running(),
                server.watch.running(),
                _at_work(server) if server.parts is None else server.parts.running(),
            ):
                yield
        finally:
            listener.should_exit = True
            await serving


@asynccontextmanager
async def _at_work(server: Server) -> AsyncIterator[None]:
    """Run in this process what else would have its own."""
    async with (
        running(server.peering),
        beside(server.schedule.run_cycles()),
        beside(server.schedule.run_decisions()),
        beside(server.schedule.run_following()),
        beside(server.schedule.run_learning()),
        beside(server.weather.run()),
        beside(_files(server)),
    ):
        yield


async def _files(server: Server) -> None:
    """Take in the files of the drop folder, where there is one."""
    schedule, folder = server.schedule, server.settings.gateway.drop_folder
    if folder:
        await watch(Path(folder), grid=schedule.store.grid, clock=schedule.clock)


class _Listener(uvicorn.Server):
    """Leaves signals to the command: it closes the database after the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.create_server(address[4][:2], family=address[0])
    except OSError as failed:
        raise NotReady(f"{host}:{port} cannot be listened on: {failed.strerror or failed}") from failed
    with found:
        yield found
