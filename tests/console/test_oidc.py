"""Signing in through an OpenID Connect provider that runs in the test."""

import socket
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from ampacity.console.settings import ConsoleSettings
from ampacity.identity import OpenIdProvider
from tests.console.provider import CLIENT, Provider
from tests.console.served import serving
from tests.console.world import SETTINGS, build

ALAN = {"sub": "42", "preferred_username": "alan", "name": "Alan", "groups": ["grid-operators", "chess"]}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Provider(issuer=f"http://127.0.0.1:{port}", claims=dict(ALAN))
    async with serving(made.app(), port):
        yield made


def with_provider(provider: Provider) -> ConsoleSettings:
    return replace(
        SETTINGS, oidc_issuer=provider.issuer, oidc_client_id=CLIENT[0], oidc_client_secret=CLIENT[1],
        oidc_roles=["grid-operators=operator", "everybody=viewer"],
    )  # fmt: skip


@pytest.fixture
async def visitor(decided_pool, provider) -> AsyncIterator[httpx.AsyncClient]:
    world = build(decided_pool, settings=with_provider(provider), identity=OpenIdProvider(provider.issuer, *CLIENT))
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        yield http


async def sign_in(visitor: httpx.AsyncClient) -> httpx.Response:
    away = await visitor.get("/console/oidc/start?next=/console/grid")
    async with httpx.AsyncClient() as elsewhere:
        back = await elsewhere.get(away.headers["location"])
    return await visitor.get(back.headers["location"])


async def test_who_the_provider_vouches_for_enters_with_the_role_of_the_group(visitor, decided_pool):
    answer = await sign_in(visitor)

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/grid")
    assert "Alan <span" in (await visitor.get("/console/")).text
    assert await decided_pool.fetchval("select role::text from account where name = 'alan'") == "operator"


async def test_who_comes_again_is_the_same_person_with_the_role_of_today(visitor, provider, decided_pool):
    await sign_in(visitor)
    provider.claims["groups"] = ["everybody"]
    await sign_in(visitor)

    rows = await decided_pool.fetch("select role::text from account")
    assert [r["role"] for r in rows] == ["viewer"]


@pytest.mark.parametrize(
    "lies",
    [
        {"aud": "somebody else"}, {"iss": "https://evil.example"}, {"nonce": "another"},
        {"exp": int(time.time()) - 900},
        {"groups": ["chess"]}, {"groups": None},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_us_now_is_refused(visitor, provider, decided_pool, lies):
    provider.lies.update(lies)

    answer = await sign_in(visitor)

    assert answer.status_code == 401
    assert await decided_pool.fetchval("select count(*) from console_session") == 0


async def test_a_token_signed_by_another_key_is_refused(visitor, provider):
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "1"})

    assert (await sign_in(visitor)).status_code == 401


async def test_an_answer_to_a_question_of_another_browser_is_refused(visitor):
    away = await visitor.get("/console/oidc/start")
    async with httpx.AsyncClient() as elsewhere:
        back = await elsewhere.get(away.headers["location"])
    visitor.cookies.clear()

    assert (await visitor.get(back.headers["location"])).status_code == 401


async def test_a_code_counts_once(visitor):
    away = await visitor.get("/console/oidc/start")
    async with httpx.AsyncClient() as elsewhere:
        back = await elsewhere.get(away.headers["location"])
    kept = visitor.cookies["ampacity_oidc"]
    first = await visitor.get(back.headers["location"])
    visitor.cookies.set("ampacity_oidc", kept, domain="testserver.local", path="/console/oidc")
    again = await visitor.get(back.headers["location"])

    assert first.status_code == 303
    assert again.status_code == 401


async def test_a_provider_that_is_away_is_said_so(decided_pool):
    world = build(decided_pool, identity=OpenIdProvider("http://127.0.0.1:9", *CLIENT))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://testserver") as http:
        answer = await http.get("/console/oidc/start")

    assert answer.status_code == 502
    assert "does not tell about itself" in answer.text
