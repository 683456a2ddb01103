"""Acts: only by whom they may be done, only from a form of ours, all of them in the log."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest

from ampacity.people import Role
from tests.console.conftest import FORM, client
from tests.console.world import SETTINGS, build, wall
from tests.operations.people import PASSWORD, person
from tests.operations.test_cycle import AT, cycle, ports

EMERGENCY = {"id": "c1", "kind": "emergency", "limit_a": "26", "hours": "4", "reason": "hot joint"}
OVERRIDE = {**EMERGENCY, "kind": "override", "limit_a": "30"}


async def test_an_emergency_is_foreseen_set_and_shown_where_it_counts(world, operator):
    foreseen = await operator.post("/console/limits/foresee", **EMERGENCY)
    before = await world.pool.fetchval("select count(*) from decision")
    done = await operator.post("/console/limits", **EMERGENCY)

    assert "5.7 kW" in foreseen.text
    assert re.search(r"Less.*kWh.*north-c1.*[1-9]\d*\.\d", foreseen.text, re.DOTALL)
    assert before == 1
    assert done.headers["location"] == "/console/limits?done=set"
    for path in ("/console/", "/console/element?id=c1", "/console/group?id=north-c1", "/console/limits"):
        assert "emergency" in (await operator.get(path)).text, path
    log = (await operator.get("/console/audit")).text
    assert "set an emergency limit" in log
    assert "decided: emergency" in log


async def test_two_operators_confirm_an_override(world, operator, second):
    await operator.post("/console/limits", **OVERRIDE)
    number = str(await world.pool.fetchval("select limit_no from limit_change"))

    alone = await operator.post("/console/limits/answer", no=number, answer="confirm")
    together = await second.post("/console/limits/answer", no=number, answer="confirm")
    again = await second.post("/console/limits/answer", no=number, answer="confirm")

    assert (alone.status_code, together.status_code, again.status_code) == (403, 303, 409)
    assert "second person" in alone.text
    assert "in force" in (await operator.get("/console/limits")).text


async def test_a_viewer_can_do_nothing(world, viewer):
    for path, given in (
        ("/console/limits", EMERGENCY), ("/console/limits/foresee", EMERGENCY),
        ("/console/limits/answer", {"no": "1", "answer": "confirm"}),
        ("/console/providers/retry", {"provider": "north"}),
        ("/console/accounts", {"act": "add", "name": "x", "role": "admin", "password": PASSWORD}),
    ):  # fmt: skip
        answer = await viewer.post(path, **given)
        assert answer.status_code == 403, path
    for path in ("/console/accounts", "/console/limits/new?id=c1"):
        assert (await viewer.get(path)).status_code == 403
    assert "Emergency limit" not in (await viewer.get("/console/element?id=c1")).text
    assert await world.pool.fetchval("select count(*) from limit_change") == 0


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_an_act_without_the_form_of_its_session_is_refused(world, operator, token):
    answer = await operator.http.post("/console/limits", data={**EMERGENCY, "form_token": token})

    assert answer.status_code == 403
    assert await world.pool.fetchval("select count(*) from limit_change") == 0


async def test_the_form_of_another_session_is_refused(operator, second):
    page = await second.get("/console/limits")
    token = page.text.partition(FORM)[2].partition('"')[0]

    answer = await operator.http.post("/console/limits", data={**EMERGENCY, "form_token": token})

    assert answer.status_code == 403


async def test_a_form_from_another_site_is_refused(operator):
    page = await operator.get("/console/limits")
    token = page.text.partition(FORM)[2].partition('"')[0]

    answer = await operator.http.post(
        "/console/limits", data={**EMERGENCY, "form_token": token}, headers={"origin": "https://evil.example"}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit_a": "much"}, "not a number"), ({"limit_a": "99999"}, "it is 0 to"), ({"hours": "-1"}, "duration"),
        ({"kind": "wish"}, "choose emergency"), ({"reason": ""}, "say why"), ({"starts": "tomorrow"}, "not a date"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named_and_what_was_typed_is_kept(operator, changes, said):
    answer = await operator.post("/console/limits/foresee", **{**EMERGENCY, **changes})

    assert answer.status_code == 422
    assert said in answer.text
    assert changes.get("reason", "hot joint") in answer.text


async def test_dead_letters_are_sent_again_by_an_operator(world, operator):
    await world.pool.execute("update outbound_forecast set dead_at = now(), last_error = '500 boom', attempts = 9")

    shown = await operator.get("/console/providers")
    done = await operator.post("/console/providers/retry", provider="north")

    assert "500 boom" in shown.text
    assert done.status_code == 303
    left = await world.pool.fetch(
        "select distinct p.provider_id from outbound_forecast join provider p using (provider_no) "
        "where dead_at is not null"
    )
    assert [r["provider_id"] for r in left] == ["harbour"]
    assert await world.pool.fetchval("select what from act order by act_no desc limit 1") == "retried dead letters"


async def test_an_invited_providers_token_is_shown_once_and_good_until_it_is_removed(world, admin, operator):
    shown = await admin.post("/console/providers/invite", provider="north")
    token = re.search(r"<code>([\w-]{64})</code>", shown.text).group(1)
    again = await admin.get("/console/providers")
    good = await world.pool.fetchval("select count(*) from peer_token where revoked_at is null")
    refused = await operator.post("/console/providers/remove", provider="north")
    removed = await admin.post("/console/providers/remove", provider="north")

    assert token not in again.text
    assert "invited" in again.text
    assert (good, refused.status_code, removed.status_code) == (1, 403, 303)
    assert await world.pool.fetchval("select count(*) from peer_token where revoked_at is null") == 0
    assert "removed a provider" in (await admin.get("/console/audit?decisions=no")).text


async def test_an_administrator_lets_a_person_in_who_then_signs_in(world, admin, anybody):
    done = await admin.post(
        "/console/accounts", act="add", name="new", role="viewer", full_name="New", password=PASSWORD
    )
    short = await admin.post("/console/accounts", act="add", name="bad", role="viewer", full_name="", password="short")
    closed = await admin.post(
        "/console/accounts", act="change", name="new", role="planner", full_name="N", closed="yes"
    )

    assert (done.status_code, short.status_code, closed.status_code) == (303, 422, 303)
    assert "12 characters" in short.text
    assert (await _try_sign_in(anybody, "new", PASSWORD)).status_code == 401


async def test_guessing_is_stopped_and_said_so(world, anybody):
    await person(world.pool, "ada", Role.OPERATOR, wall)

    tries = [(await _try_sign_in(anybody, "ada", "guess")).status_code for _ in range(6)]

    assert tries == [401] * 5 + [429]
    assert (await _try_sign_in(anybody, "ada", PASSWORD)).status_code == 429


async def test_signing_out_ends_the_session_and_the_cookie_is_kept_from_scripts(world, operator):
    page = await operator.get("/console/limits")
    token = page.text.partition(FORM)[2].partition('"')[0]
    cookie = operator.http.cookies["ampacity"]

    await operator.http.post("/console/sign-out", data={"form_token": token})
    operator.http.cookies.set("ampacity", cookie)

    assert (await operator.get("/console/")).status_code == 303


async def test_over_https_the_cookie_is_bound_to_this_host(decided_pool):
    from msgspec.structs import replace

    world = build(decided_pool, settings=replace(SETTINGS, secure_cookies=True))
    await person(decided_pool, "ada", Role.OPERATOR, wall)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="https://testserver") as http:
        answer = await _try_sign_in(http, "ada", PASSWORD)

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-ampacity=")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "samesite=lax" in cookie.lower()


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example/console", "/oscp", "/console\\@evil"])
async def test_after_signing_in_nobody_is_sent_elsewhere(world, anybody, where):
    await person(world.pool, "ada", Role.OPERATOR, wall)

    answer = await _try_sign_in(anybody, "ada", PASSWORD, where)

    assert answer.headers["location"] == "/console/"


async def test_only_the_demonstration_opens_without_a_password(decided_pool, anybody):
    await person(decided_pool, "operator", Role.OPERATOR, wall)
    await person(decided_pool, "colleague", Role.OPERATOR, wall)
    async with client(build(decided_pool, demo=("operator", "colleague"))) as visitor:
        entered = await visitor.get("/console/", follow_redirects=True)
        out = await visitor.get("/console/sign-in?out=1")
        token = out.text.partition(FORM)[2].partition('"')[0]
        other = await visitor.post("/console/sign-in", data={"form_token": token, "demo": "colleague"})
        stranger = await visitor.post("/console/sign-in", data={"form_token": token, "demo": "root"})
    closed = await anybody.get("/console/", follow_redirects=True)

    assert "operator" in entered.text
    assert "Where it is tight" in entered.text
    assert other.status_code == 303
    assert stranger.status_code == 401
    assert "Where it is tight" not in closed.text
    assert "Enter as" not in closed.text


async def test_a_committed_cycle_is_told_within_two_seconds(world):
    heard: list[str] = []

    async def listen() -> None:
        async for topic in world.feed.subscribe():
            if topic is not None:
                heard.append(topic)
                if topic.startswith("decision"):
                    return

    async with world.feed.running():
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        await cycle(ports(world.pool), AT + timedelta(minutes=15))
        await asyncio.wait_for(listening, 2.0)

    assert heard[-1].startswith("decision:")


async def test_a_request_and_each_step_of_it_are_told_within_two_seconds(world):
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen() -> None:
        async for topic in world.feed.subscribe():
            if topic is not None and topic.startswith("request"):
                heard.put_nowait(topic)

    async with world.feed.running():
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        await world.pool.execute(
            "insert into capacity_request (provider_no, group_no, kind, request_id, content_hash, received_at,"
            " first_quarter, quarters, wanted_w) values (0, 0, 'CONSUMPTION', 'seen', '', $1, 0, 1, '\\x00000000')",
            AT,
        )
        await asyncio.wait_for(heard.get(), 2.0)
        await world.pool.execute("insert into request_event (request_no, step, at) values (1, 'published', $1)", AT)
        await asyncio.wait_for(heard.get(), 2.0)
        listening.cancel()


async def test_a_lost_connection_is_found_again_and_what_came_meanwhile_is_looked_at(world):
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen() -> None:
        async for topic in world.feed.subscribe():
            if topic is not None:
                heard.put_nowait(topic)

    async with world.feed.running():
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        await world.pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and query ilike '%listen%' and pid <> pg_backend_pid()"
        )
        topics = [await asyncio.wait_for(heard.get(), 5) for _ in range(1)]
        listening.cancel()

    assert topics[-1].startswith("reconnected")


async def _try_sign_in(http: httpx.AsyncClient, name: str, password: str, where: str = "/console/") -> httpx.Response:
    page = await http.get("/console/sign-in")
    token = page.text.partition(FORM)[2].partition('"')[0]
    return await http.post(
        "/console/sign-in", data={"form_token": token, "name": name, "password": password, "next": where}
    )
