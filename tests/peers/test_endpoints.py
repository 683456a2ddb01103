"""Who may say what at the door, and what is written when it is taken."""

import asyncio
import itertools

import httpx
import numpy as np
import pytest

from ampacity.operations.register import invite
from ampacity.operations.settle_usage import settle_usage
from ampacity.store.usage import UsageStore
from ampacity.timegrid import Window, moment_of, quarter_at
from tests.peers.world import NOW, add_grid, block, decide, give_token, post, put_through, world

Q0 = quarter_at(NOW)
REGISTER = {"token": "theirs", "version_url": [{"version": "2.0", "base_url": "http://127.0.0.1:1/fp"}]}


@pytest.fixture
async def here(pool):
    """A server with two providers that are connected, each with a token like its name."""
    await add_grid(pool, {"g1": "one", "g2": "two"}, unit="W")
    for name in ("one", "two"):
        await put_through(pool, name, "http://127.0.0.1:1/oscp/fp/2.0")
        await give_token(pool, name, name)
    async with world(pool, background=False) as made:
        yield made


def ask(*blocks, group="g1", kind="CONSUMPTION") -> dict:
    return {"group_id": group, "type": kind, "forecasted_blocks": list(blocks)}


def energy(quarter: int, value: float, **changes) -> dict:
    return {
        "value": value, "phase": "ALL", "unit": "WH", "direction": "IMPORT",
        "measure_time": moment_of(quarter).isoformat(), **changes,
    }  # fmt: skip


MESSAGES = {
    "register": REGISTER,
    "handshake": {},
    "handshake_acknowledge": {},
    "handshake_acknowledgment": {},
    "heartbeat": {"offline_mode_at": "2100-01-01T00:00:00Z"},
    "adjust_group_capacity_forecast": ask(block(Q0 + 1, 5)),
    "group_capacity_compliance_error": {"message": "cannot"},
    "update_group_measurements": {"group_id": "g1", "measurements": [energy(Q0, 1)]},
    "update_asset_measurements": {"group_id": "g1", "measurements": [{"asset_id": "a", "asset_category": "CHARGING"}]},
}


async def test_each_message_is_taken_with_an_empty_answer(here):
    for message, body in reversed(MESSAGES.items()):  # a registration begins a new session
        answer = await post(f"{here.base_url}/{message}", "one", body, X_Request_ID=message)
        assert (answer.status_code, answer.content) == (204, b""), message


async def test_nobody_gets_in_without_a_good_token(here):
    shown = {None: 401, "": 401, "Bearer one": 401, "Token": 401, "Token three": 403, "Token " + "x" * 5000: 403}
    async with httpx.AsyncClient(trust_env=False) as http:
        for message, (authorization, status) in itertools.product(MESSAGES, shown.items()):
            headers = {} if authorization is None else {"Authorization": authorization}
            answer = await http.post(f"{here.base_url}/{message}", content=b"{not json", headers=headers)
            assert answer.status_code == status, (message, authorization)
            assert list(answer.json()) == ["message"]


async def test_what_is_no_message_is_refused_with_a_reason(here):
    wrong = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":' * 2000, b"{}" * 2, b'{"token":1e999}']
    head = {"Authorization": "Token one", "X-Request-ID": "r"}
    async with httpx.AsyncClient(trust_env=False) as http:
        for message, body in itertools.product(MESSAGES, wrong):
            answer = await http.post(f"{here.base_url}/{message}", content=body, headers=head)
            assert answer.status_code == 400, (message, body, answer.text)
            assert list(answer.json()) == ["message"]


async def test_a_one_time_token_is_good_for_a_registration_only(here):
    token = await invite(here.peering.desk, "one")

    for message, body in MESSAGES.items():
        answer = await post(f"{here.base_url}/{message}", token, body)
        assert answer.status_code == (204 if message == "register" else 403), message


async def test_a_version_that_we_do_not_speak_is_501(here):
    body = {"token": "t", "version_url": [{"version": "3.0", "base_url": "https://peer.example"}]}

    for method in ("POST", "PUT"):
        assert (await post(f"{here.base_url}/register", "one", body, method=method)).status_code == 501


async def test_an_address_that_must_not_be_called_is_refused(here):
    for url in ("http://10.0.0.1/fp", "https://169.254.169.254/latest", "ftp://x/", "https://[::1]/fp"):
        body = {"token": "t", "version_url": [{"version": "2.0", "base_url": url}]}
        answer = await post(f"{here.base_url}/register", "one", body, method="PUT")
        assert answer.status_code == 403, url
        assert answer.json()["message"].startswith("base_url:")
        assert await here.pool.fetchval("select count(*) from peer where base_url = $1", url) == 0


async def test_a_renewed_token_is_the_one_that_is_used(here):
    answer = await post(f"{here.base_url}/register", "one", {**REGISTER, "token": "renewed"}, method="PUT")

    peer = await here.peering.desk.peers.peer(0)
    assert answer.status_code == 204
    assert here.peering.desk.tokens.unseal(peer.token_sealed) == "renewed"
    assert b"renewed" not in peer.token_sealed
    assert peer.state == "connected"


async def test_who_ends_the_session_is_out_at_once(here):
    assert (await post(f"{here.base_url}/register", "one", None, method="DELETE")).status_code == 204

    for message, body in MESSAGES.items():
        assert (await post(f"{here.base_url}/{message}", "one", body)).status_code == 403, message
    assert await here.state("one") == "removed"


async def test_anothers_group_and_none_at_all_are_refused_alike(here):
    for message in ("adjust_group_capacity_forecast", "update_group_measurements", "update_asset_measurements"):
        url, body = f"{here.base_url}/{message}", MESSAGES[message]
        answers = [await post(url, "one", {**body, "group_id": group}) for group in ("g2", "nowhere")]
        assert [a.status_code for a in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()


WRONG_REQUESTS = [
    ([block(Q0 + 2, 5, quarters=0)], "is not after start_time"),
    ([block(Q0 + 2, 5), block(Q0 + 2, 6)], "two blocks of phase ALL overlap"),
    ([block(Q0 + 2, 5), block(Q0 + 2, 6, phase="ONE")], "ALL and a single phase overlap"),
    ([block(Q0 + 2, -5)], "is negative"),
    ([block(Q0 - 4, 5)], "all of it has passed"),
    ([block(Q0 + 2, 5, quarters=96 * 30)], "it reaches 30.0 days"),
    ([{**block(Q0 + 2, 5), "start_time": "2026-03-02 10:15:00"}], "has no time zone"),
    ([{**block(Q0 + 2, 5), "capacity": "5"}], "is a string, not a number"),
    ([{**block(Q0 + 2, 5), "capacity": 1e300}], "is beyond"),
    ([{**block(Q0 + 2, 5), "unit": "VA"}], "Invalid enum value 'VA'"),
    ([], "length >= 1"),
    ([block(Q0 + k, 5) for k in range(3000)], "3000 are more than 2000"),
]  # fmt: skip


async def test_a_wrong_request_is_refused_with_its_fault_and_leaves_nothing(here):
    for blocks, reason in WRONG_REQUESTS:
        answer = await post(f"{here.base_url}/adjust_group_capacity_forecast", "one", ask(*blocks))
        assert answer.status_code == 400
        assert reason in answer.json()["message"]
    assert await here.pool.fetchval("select count(*) from capacity_request") == 0
    assert here.requests == []


async def test_a_request_is_recorded_in_watts_without_its_past(here):
    blocks = [block(Q0 - 2, 3, unit="KW", quarters=4), block(Q0 + 4, 10, unit="A", phase="TWO")]

    answer = await post(f"{here.base_url}/adjust_group_capacity_forecast", "one", ask(*blocks), X_Request_ID="abc")

    row = await here.pool.fetchrow("select * from capacity_request")
    wanted_w = np.frombuffer(row["wanted_w"], "<f4")
    assert answer.status_code == 204
    assert (row["first_quarter"], row["request_id"], row["received_at"]) == (Q0, "abc", NOW)
    np.testing.assert_allclose(wanted_w, [3000, 3000, np.nan, np.nan, 10 * 400 / 3**0.5 * 3], rtol=1e-6)
    assert await here.pool.fetchval("select step from request_event") == "received"


async def test_a_request_without_an_id_is_known_by_its_content(here):
    for _ in range(2):
        answer = await post(f"{here.base_url}/adjust_group_capacity_forecast", "one", ask(block(Q0 + 1, 5)))
        assert answer.status_code == 204

    assert len(here.requests) == 1


async def test_a_complaint_is_linked_to_its_forecast_and_raises_an_alarm(here):
    decision_id = await decide(here.pool, [[1.0], [1.0]], send=False)
    request_id = await here.pool.fetchval(
        "insert into outbound_forecast (decision_id, kind, provider_no, group_no) values ($1, 'CONSUMPTION', 0, 0)"
        " returning request_id::text",
        decision_id,
    )
    url, blocks = f"{here.base_url}/group_capacity_compliance_error", [block(Q0 + 1, 5)]

    body = {"message": "too little", "forecasted_blocks": blocks}
    for _ in range(2):
        await post(url, "one", body, X_Request_ID="1", X_Correlation_ID=request_id)
    await post(url, "one", {"message": "a bug of theirs"}, X_Request_ID="2", X_Correlation_ID="g1")
    await post(url, "one", {"message": "of what?"}, X_Request_ID="3")
    await post(url, "two", {"message": "not mine"}, X_Request_ID="4", X_Correlation_ID=request_id)

    rows = await here.pool.fetch("select message, message_id, group_no, detail from compliance_error order by error_no")
    assert [(r["message"], r["group_no"]) for r in rows] == [
        ("too little", 0), ("a bug of theirs", 0), ("of what?", None), ("not mine", None),
    ]  # fmt: skip
    assert [r["message_id"] is not None for r in rows] == [True, False, False, False]
    assert rows[0]["detail"] == blocks
    assert len(here.complaints) == 4


async def report(here, *measurements, token="one", **headers):
    body = {"group_id": "g1", "measurements": list(measurements)}
    return await post(f"{here.base_url}/update_group_measurements", token, body, **headers)


async def test_registers_become_use_of_the_group(here):
    usage = UsageStore(here.pool)
    first = Q0 - 8
    for k in range(4):
        answer = await report(here, energy(first + k, 1.5 * k, unit="KWH"), X_Request_ID=f"m{k}")
        assert answer.status_code == 204

    assert await settle_usage(usage, NOW) == 1
    assert await settle_usage(usage, NOW) == 0
    np.testing.assert_allclose(await usage.known_usage(0, Window(first, 3)), np.full((3, 3), 2000.0))
    late = await report(here, energy(first + 4, 6000.0), energy(first + 4, 6000.0), X_Request_ID="late")
    assert late.status_code == 204
    assert await settle_usage(usage, NOW) == 1
    np.testing.assert_allclose(await usage.known_usage(0, Window(first, 4)), np.full((3, 4), 2000.0))
    blocks = await here.pool.fetch(
        "select first_quarter, quarters from load_block where subject = 'group' order by block_id"
    )
    assert [tuple(b) for b in blocks] == [(first, 3), (first + 3, 1)]


async def test_a_reading_that_cannot_be_right_is_quarantined_with_its_reason_and_counted(here):
    usage = UsageStore(here.pool)
    first = Q0 - 8
    await report(here, energy(first, 9000.0), X_Request_ID="a")
    await report(here, energy(first + 1, 100.0), energy(first + 1, -5.0), X_Request_ID="b")
    await report(here, energy(first + 2, 9500.0), energy(Q0 + 50, 1.0), X_Request_ID="c")

    await settle_usage(usage, NOW)

    rows = await here.pool.fetch(
        "select value, fault, quarantined_because from meter_reading order by measured_at, value"
    )
    assert [(r["value"], bool(r["fault"]), bool(r["quarantined_because"])) for r in rows] == [
        (9000.0, False, False), (-5.0, True, False), (100.0, False, True), (9500.0, False, False), (1.0, True, False),
    ]  # fmt: skip
    counts = dict(await here.pool.fetch("select what, sum(readings) from usage_count group by what"))
    assert counts == {"fault": 2, "backwards": 1}
    np.testing.assert_allclose(await usage.known_usage(0, Window(first, 2)), np.full((3, 2), 1000 / 3), rtol=1e-4)


async def test_a_register_that_stays_low_is_taken_for_a_restarted_one(here):
    usage = UsageStore(here.pool)
    first = Q0 - 12
    for k, value in enumerate([9000, 9500, 0, 750, 1500, 2250]):
        await report(here, energy(first + k, value), X_Request_ID=f"r{k}")
        await settle_usage(usage, NOW)

    known_w = await usage.known_usage(0, Window(first, 5))
    np.testing.assert_allclose(known_w.sum(axis=0), [2000, np.nan, 3000, 3000, 3000], rtol=1e-4)
    assert await here.pool.fetchval("select count(*) from meter_reading where quarantined_because is not null") == 0


async def test_the_character_zero_harms_nobody(here):
    nul = chr(0)
    reading = {"asset_id": f"a{nul}b", "asset_category": "CHARGING", "energy_measurement": energy(Q0 - 1, 5.0)}
    body = {"group_id": "g1", "measurements": [reading]}
    complaint = {"message": nul, "forecasted_blocks": [{**block(Q0, 1), "start_time": nul}]}

    taken = [
        await post(f"{here.base_url}/update_asset_measurements", "one", body, X_Request_ID="1"),
        await post(f"{here.base_url}/group_capacity_compliance_error", "one", complaint, X_Request_ID="2"),
    ]
    refused = [
        await post(f"{here.base_url}/{message}", "one", {**MESSAGES[message], "group_id": nul})
        for message in ("adjust_group_capacity_forecast", "update_group_measurements")
    ]

    assert [a.status_code for a in taken + refused] == [204, 204, 404, 404]
    await settle_usage(UsageStore(here.pool), NOW)
    assert await here.pool.fetchval("select asset_id from meter_reading") == "a\ufffdb"


async def test_a_repeated_report_has_no_effect_and_another_under_its_id_is_refused(here):
    reading = energy(Q0 - 1, 5.0)
    answers = [await report(here, reading, X_Request_ID="m") for _ in range(2)]
    other = await report(here, energy(Q0 - 1, 6.0), X_Request_ID="m")

    assert [a.status_code for a in answers] == [204, 204]
    assert other.status_code == 400
    assert await here.pool.fetchval("select count(*) from usage_message") == 1


async def test_many_reports_at_once_are_each_judged_for_themselves(here):
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=50)) as http:

        async def one(n: int):
            group = "g2" if n % 5 == 0 else "g1"
            token = "nobody" if n % 7 == 0 else "one"
            return n, await http.post(
                f"{here.base_url}/update_group_measurements",
                json={"group_id": group, "measurements": [energy(Q0 - 1, n)]},
                headers={"Authorization": f"Token {token}", "X-Request-ID": f"{n}"},
            )  # fmt: skip

        answers = await asyncio.gather(*(one(n) for n in range(120)))

    for n, answer in answers:
        assert answer.status_code == (403 if n % 7 == 0 else 404 if n % 5 == 0 else 204), n
    stored = {row["request_id"] for row in await here.pool.fetch("select request_id from usage_message")}
    assert stored == {str(n) for n, a in answers if a.status_code == 204}


async def test_a_body_that_is_too_large_is_not_read(pool):
    await add_grid(pool, {"g1": "one"})
    await put_through(pool, "one", "http://127.0.0.1:1/fp")
    await give_token(pool, "one", "one")
    async with world(pool, background=False, body_limit_bytes=10_000) as here:
        for message in ("heartbeat", "update_group_measurements"):
            answer = await post(f"{here.base_url}/{message}", "one", {"x": "y" * 20_000})
            assert answer.status_code == 413, message


async def test_who_sends_too_fast_is_told_to_wait_and_nobody_else(pool):
    await add_grid(pool, {"g1": "one", "g2": "two"})
    for name in ("one", "two"):
        await put_through(pool, name, "http://127.0.0.1:1/fp")
        await give_token(pool, name, name)
    async with world(pool, background=False, requests_per_second=1.0, request_burst=3) as here:
        beat = {"offline_mode_at": "2100-01-01T00:00:00Z"}
        answers = [await post(f"{here.base_url}/heartbeat", "one", beat) for _ in range(5)]
        other = await post(f"{here.base_url}/heartbeat", "two", beat)

    assert [a.status_code for a in answers] == [204, 204, 204, 429, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert other.status_code == 204


async def test_a_peer_may_start_the_handshake(pool):
    await add_grid(pool, {"g1": "one"})
    await put_through(pool, "one", "http://127.0.0.1:1/fp", state="registered")
    await give_token(pool, "one", "one")
    async with world(pool, background=False) as here:
        body = {"required_behaviour": {"heartbeat_interval": 30, "measurement_configuration": ["CONTINUOUS"]}}
        answer = await post(f"{here.base_url}/handshake", "one", body, X_Request_ID="theirs")

    peer = await here.peering.desk.peers.peer(0)
    assert answer.status_code == 204
    assert (peer.acknowledge_id, peer.demands.heartbeat_interval_s) == ("theirs", 30.0)


async def test_no_token_is_in_a_log(here, caplog, capfd):
    caplog.set_level("DEBUG")
    await post(f"{here.base_url}/heartbeat", "one", {"offline_mode_at": "x"})
    await post(f"{here.base_url}/register", "one", {**REGISTER, "token": "their-secret-token"}, method="PUT")

    told = caplog.text + "".join(capfd.readouterr())
    assert "Token one" not in told
    assert "their-secret-token" not in told


async def test_the_openapi_document_has_every_endpoint(here):
    async with httpx.AsyncClient(trust_env=False) as http:
        document = (await http.get(here.base_url.replace("/oscp/cp/2.0", "/schema/openapi.json"))).json()

    assert {p.removeprefix("/oscp/cp/2.0/") for p in document["paths"] if "/oscp/" in p} == set(MESSAGES)
