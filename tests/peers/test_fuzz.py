"""Whatever is thrown at the door: no 5xx, no traceback, nothing stored from what was refused."""

import asyncio
import threading
from collections import Counter

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ampacity.app.peering import build_peering
from ampacity.store.pool import connect
from tests.peers.test_endpoints import MESSAGES
from tests.peers.world import NOW, add_grid, application, free_port, give_token, put_through
from tests.peers.world import serving as serving_app
from tests.peers.world import settings as oscp_settings

CASES_PER_MESSAGE = 60
RAW_CASES = 400
TABLES = ("capacity_request", "compliance_error", "usage_message", "message_segment", "peer_event")


@pytest.fixture
async def served(dsn):
    """The server on a thread of its own, since the fuzzers block theirs; gives its address and its database's."""
    pool = await connect(dsn, max_size=2)
    await add_grid(pool, {"g1": "one"}, unit="W")
    await put_through(pool, "one", "http://127.0.0.1:1/oscp/fp/2.0")
    await give_token(pool, "one", "one")
    port = free_port()
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        own = await connect(dsn, max_size=5)
        peering = build_peering(own, oscp_settings(), public_url="http://127.0.0.1", clock=lambda: NOW)
        app = application(peering)
        async with serving_app(app, port):
            ready.set()
            await asyncio.to_thread(stop.wait)
        await own.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(20)
    yield f"http://127.0.0.1:{port}", pool
    stop.set()
    thread.join()
    await pool.close()


async def stored(pool) -> dict[str, int]:
    return {table: await pool.fetchval(f"select count(*) from {table}") for table in TABLES}


async def test_schemathesis_finds_no_failure_of_ours(served, record_property):
    """Each operation of our own OpenAPI document, with good and bad data, with a good token and none."""
    base_url, pool = served
    schema = schemathesis.openapi.from_url(f"{base_url}/schema/openapi.json")
    cases, taken = Counter(), Counter()
    statuses: Counter[int] = Counter()

    def probe(operation) -> None:
        @settings(max_examples=CASES_PER_MESSAGE, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), token=st.sampled_from(["one", "one", "wrong"]))
        def run(case, token):
            answer = case.call(base_url=base_url, headers={"Authorization": f"Token {token}"})
            assert answer.status_code < 500 or answer.status_code == 501, answer.text
            assert "Traceback" not in answer.text
            assert answer.status_code != 204 or not answer.content
            name = operation.path.rpartition("/")[2]
            statuses[answer.status_code] += 1
            cases[name] += 1
            taken[name] += answer.status_code == 204
            assert answer.status_code != 204 or token == "one"

        run()

    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:
        if operation.method.upper() != "DELETE":  # after it nobody is in
            await asyncio.to_thread(probe, operation)

    assert len(operations) == len(MESSAGES) + 2
    record_property("cases", cases.total())
    for status, count in sorted(statuses.items()):
        record_property(f"answered {status}", count)
    assert cases.total() >= len(MESSAGES) * CASES_PER_MESSAGE // 2
    kept = await stored(pool)
    assert kept["capacity_request"] <= taken["adjust_group_capacity_forecast"]
    assert kept["compliance_error"] <= taken["group_capacity_compliance_error"]
    assert kept["usage_message"] <= taken["update_group_measurements"] + taken["update_asset_measurements"]


bodies = (
    st.binary(max_size=300)
    | st.sampled_from([str(b).replace("'", '"').encode() for b in MESSAGES.values()])
    | st.builds(
        lambda a, b: a[: len(a) // 2] + b, st.sampled_from([b'{"group_id":"g1","type":', b'{"a":[[']), st.binary()
    )
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60).map(
    str.strip
)


async def test_raw_bytes_and_headers_do_no_harm_and_leave_nothing(served, record_property):
    base_url, pool = served
    before = await stored(pool)
    statuses: Counter[int] = Counter()

    def fuzz() -> None:
        with httpx.Client(trust_env=False) as http:

            @settings(max_examples=RAW_CASES, deadline=None, suppress_health_check=list(HealthCheck))
            @given(
                message=st.sampled_from([*MESSAGES, "", "register/x", "%2e%2e", "no_such_message"]),
                method=st.sampled_from(["POST", "POST", "POST", "PUT", "GET", "PATCH", "HEAD", "OPTIONS"]),
                body=bodies,
                token=header_values | st.sampled_from(["Token wrong", "Token", "Bearer one"]),
                request_id=header_values,
                kind=st.sampled_from(["application/json", "text/plain", "application/xml", "multipart/form-data", ""]),
            )
            def run(message, method, body, token, request_id, kind):
                headers = {
                    b"authorization": token.encode("latin-1"), b"x-request-id": request_id.encode("latin-1"),
                    b"content-type": kind.encode(),
                }  # fmt: skip
                answer = http.request(method, f"{base_url}/oscp/cp/2.0/{message}", content=body, headers=headers)
                statuses[answer.status_code] += 1
                if method != "HEAD" and answer.status_code != 204:
                    assert answer.status_code < 500 or answer.status_code == 501, answer.text
                    assert "Traceback" not in answer.text

            run()

    await asyncio.to_thread(fuzz)

    record_property("cases", statuses.total())
    for status, count in sorted(statuses.items()):
        record_property(f"answered {status}", count)
    assert statuses.total() >= RAW_CASES
    after = await stored(pool)
    assert after["capacity_request"] == before["capacity_request"]
    assert after["usage_message"] == before["usage_message"]


BROKEN = [
    b"\x00\x01\x02\r\n\r\n",
    b"POST /oscp/cp/2.0/heartbeat HTTP/9.9\r\n\r\n",
    b"POST /oscp/cp/2.0/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /oscp/cp/2.0/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /oscp/cp/2.0/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /oscp/cp/2.0/update_group_measurements HTTP/1.1\r\nAuthorization: Token one\r\nContent-Length: 50\r\n\r\n{",
    b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(3000)) + b"\r\n",
]


async def test_broken_http_does_not_stop_the_server(served, record_property):
    base_url, pool = served
    port = int(base_url.rsplit(":", 1)[1])
    for raw in BROKEN:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        try:
            answer = await asyncio.wait_for(reader.read(200), 0.5)
        except (TimeoutError, ConnectionError):
            answer = b""
        assert b" 500 " not in answer[:20]
        writer.close()

    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{base_url}/oscp/cp/2.0/heartbeat", json={"offline_mode_at": "2100-01-01T00:00:00Z"},
            headers={"Authorization": "Token one"},
        )  # fmt: skip
    record_property("broken requests", len(BROKEN))
    assert answer.status_code == 204
    assert (await stored(pool))["usage_message"] == 0
