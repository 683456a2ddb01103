"""A console with people in it, asked without a network."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from ampacity.people import Role
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


@pytest.fixture
async def world(decided_pool) -> World:
    return build(decided_pool)


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
