"""A provider's developer, with nothing but a token, sees each of our messages and what was wrong in its own."""

import httpx
import pytest

from ampacity.app.clock import make_clock
from ampacity.app.sandbox import sandbox_invitation
from ampacity.app.server import build_server, started
from ampacity.app.session import Store
from ampacity.app.settings import ServerSettings, Settings
from ampacity.oscp.remarks import remarks_on
from ampacity.store.sandbox import add_sandbox_grid
from tests.peers.trait_peer import OSCP_SDK, Traits, trait_peer
from tests.peers.world import KINDS, NOW, free_port, settings, until


@pytest.fixture
async def sandbox(pool):
    await add_sandbox_grid(pool, "sandbox")
    port = free_port()
    made = Settings(server=ServerSettings(port=port), oscp=settings())
    store = Store(pool)
    async with started(build_server(store, made, make_clock(NOW, 1.0), sandbox=True)):
        yield f"http://127.0.0.1:{port}", await sandbox_invitation(pool, made)


async def test_each_message_can_be_triggered_and_the_conversation_read(sandbox):
    base, invitation = sandbox
    traits = Traits(
        name="plain", starts=True, ack_body=OSCP_SDK.ack_body
    )  # a flat acknowledgement: taken, and remarked on
    async with (
        trait_peer(traits, invitation.base_url) as peer,
        httpx.AsyncClient(base_url=base, trust_env=False) as http,
    ):

        async def trigger(**what) -> httpx.Response:
            head = {"Authorization": f"Token {peer.token_out}"}
            return await http.post("/sandbox/trigger", json=what, headers=head)

        await peer.register(invitation.token)

        async def is_connected():
            answer = await trigger(do="speak")
            return answer.status_code == 200 and peer.registered

        await until(is_connected)
        for kind in KINDS:
            assert (await trigger(do="forecast", type=kind)).json()["outcome"] == "delivered"
        emergency = await trigger(do="emergency", group_id="sandbox-kilowatts")
        for action in ("handshake", "heartbeat", "silence", "speak"):
            assert (await trigger(do=action)).json()["outcome"] == "delivered", action
        refused = await trigger(do="refusal", request_id="ask-7")
        nowhere = await trigger(do="forecast", group_id="elsewhere")
        before = peer.token_out
        await trigger(do="register")
        await until(lambda: peer.token_out != before)
        answer = await http.get("/sandbox/conversation", headers={"Authorization": f"Token {peer.token_out}"})

    lines = answer.json()
    assert emergency.json()["outcome"] == refused.json()["outcome"] == "delivered"
    assert nowhere.status_code == 404
    assert {f["type"] for f in peer.forecasts} == set(KINDS)
    assert [f for f in peer.forecasts if f["correlation"] == "ask-7"]
    said = {line["message"] for line in lines if line["direction"] == "to you"}
    assert {"register", "handshake", "heartbeat", "update_group_capacity_forecast"} <= said
    flat = [line for line in lines if line["message"] == "handshake_acknowledge"]
    assert "the level required_behaviour is missing" in flat[0]["remarks"]
    assert not any("authorization" in line["headers"] for line in lines)
    assert invitation.token not in answer.text
    assert len(lines) <= 100


async def test_without_a_token_there_is_no_sandbox(sandbox):
    base, _ = sandbox
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        assert (await http.get("/sandbox/conversation")).status_code == 401
        wrong = await http.post("/sandbox/trigger", json={"do": "heartbeat"}, headers={"Authorization": "Token x"})

    assert wrong.status_code == 403


def test_remarks_name_what_others_may_refuse():
    assert remarks_on("handshake_acknowledgment", {}, b"{}") == [
        "the path is handshake_acknowledgment, not one of the protocol's",
        "X-Request-ID is missing",
        "X-Correlation-ID is missing: it names the message that this one answers",
    ]
    fine = {"x-request-id": "1", "x-correlation-id": "2"}
    nested = b'{"required_behaviour": {"heartbeat_interval": 5}}'
    assert "measurement_configuration is missing" in remarks_on("handshake", fine, nested)[0]
    blocks = b'{"forecasted_blocks": [{"capacity": "5", "start_time": "2026-01-01T00:00:00Z"}]}'
    assert remarks_on("adjust_group_capacity_forecast", fine, blocks) == [
        "forecasted_blocks[0].capacity: '5' is a string, not a number"
    ]
