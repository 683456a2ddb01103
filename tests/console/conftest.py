"""A console with people in it, asked without a network."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.async_api import Browser as Chromium

from ampacity.people import Role
from ampacity.store.pool import connect
from tests.conftest import database_copy
from tests.console.browsing import chromium
from tests.console.happenings import Staffed, let_in, make_something_happen
from tests.console.served import Served, served
from tests.console.world import World, build, wall
from tests.operations.people import PASSWORD, person

FORM = 'name="form_token" value="'


@dataclass(frozen=True, kw_only=True)
class Browser:
    """One signed-in person."""

    http: httpx.AsyncClient

    async def get(self, path: str, **more) -> httpx.Response:
        return await self.http.get(path, **more)

    async def post(self, path: str, **given: str) -> httpx.Response:
        page = await self.http.get("/console/limits")
        token = page.text.partition(FORM)[2].partition('"')[0]
        return await self.http.post(path, data={"form_token": token, **given})


def client(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", headers={"accept": "text/html"})


async def signed_in(world: World, name: str) -> Browser:
    http = client(world)
    page = await http.get("/console/sign-in")
    token = page.text.partition(FORM)[2].partition('"')[0]
    answer = await http.post("/console/sign-in", data={"form_token": token, "name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return Browser(http=http)


@pytest.fixture(scope="session")
async def one_chromium() -> AsyncIterator[Chromium]:
    async with chromium() as started:
        yield started


@pytest.fixture
async def browser(one_chromium: Chromium) -> AsyncIterator[Chromium]:
    """Chromium without an open window."""
    yield one_chromium
    await close_all(one_chromium)


async def close_all(browser: Chromium) -> None:
    for context in browser.contexts:
        await context.close()


@pytest.fixture(scope="session")
async def staffed(server_dsn: str, decided_database: str) -> Staffed:
    """A database to copy: the small grid decided, people signed in, something to see on every page."""
    async with database_copy(server_dsn, decided_database, name="staffed") as dsn:
        pool = await connect(dsn, max_size=3)
        tokens = await let_in(pool)
        await make_something_happen(pool)
        await pool.close()
        yield Staffed("staffed", tokens)


@pytest.fixture
async def here(one_chromium: Chromium, server_dsn: str, staffed: Staffed) -> AsyncIterator[Served]:
    """A served console of the test's own."""
    async with database_copy(server_dsn, staffed.name) as dsn, served(dsn, staffed.tokens) as running:
        yield running
        await close_all(one_chromium)


@pytest.fixture(scope="module")
async def shown(one_chromium: Chromium, server_dsn: str, staffed: Staffed) -> AsyncIterator[Served]:
    """A served console for tests that only look."""
    async with database_copy(server_dsn, staffed.name) as dsn, served(dsn, staffed.tokens) as running:
        yield running
        await close_all(one_chromium)


@pytest.fixture
async def world(decided_pool) -> World:
    return build(decided_pool)


@pytest.fixture(scope="module")
async def still(server_dsn: str, staffed: Staffed) -> AsyncIterator[World]:
    """A console where much has happened, for tests that change nothing."""
    async with database_copy(server_dsn, staffed.name) as dsn:
        pool = await connect(dsn, max_size=5)
        yield build(pool)
        await pool.close()


@pytest.fixture(scope="module")
async def looker(still: World, staffed: Staffed) -> AsyncIterator[Browser]:
    """A viewer there."""
    async with client(still) as http:
        http.cookies.set("ampacity", staffed.tokens["vi"])
        yield Browser(http=http)


@pytest.fixture(scope="module")
async def stranger(still: World) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody there who is not signed in."""
    async with client(still) as http:
        yield http


@pytest.fixture
async def anybody(world) -> AsyncIterator[httpx.AsyncClient]:
    async with client(world) as http:
        yield http


async def _somebody(world, name, role) -> AsyncIterator[Browser]:
    await person(world.pool, name, role, wall)
    browser = await signed_in(world, name)
    yield browser
    await browser.http.aclose()


@pytest.fixture
async def viewer(world):
    async for browser in _somebody(world, "vi", Role.VIEWER):
        yield browser


@pytest.fixture
async def operator(world):
    async for browser in _somebody(world, "ada", Role.OPERATOR):
        yield browser


@pytest.fixture
async def second(world):
    async for browser in _somebody(world, "grace", Role.OPERATOR):
        yield browser


@pytest.fixture
async def admin(world):
    async for browser in _somebody(world, "root", Role.ADMIN):
        yield browser
