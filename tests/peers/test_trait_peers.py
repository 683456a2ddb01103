"""Counterparts with the habits of known implementations all get connected, told and answered."""

import asyncio

import httpx
import numpy as np
import pytest

from ampacity.operations.register import invite, start
from ampacity.timegrid import quarter_at
from tests.peers.trait_peer import ALL, OSCP_SDK, SOLARNETWORK, trait_peer
from tests.peers.world import KINDS, NOW, add_grid, block, decide, until, world


async def connect(here, peer, provider_id="fp") -> None:
    desk, profile = here.peering.desk, {"preset": peer.traits.name}
    if peer.traits.starts:
        await peer.register(await invite(desk, provider_id, profile))
    else:
        await start(desk, provider_id, base_url=peer.url, token=peer.token_in, profile=profile)

    async def connected():
        return await here.state(provider_id) == "connected"

    await until(connected, message=f"{peer.refused} {await here.state(provider_id)}")


@pytest.mark.parametrize("traits", ALL, ids=lambda t: t.name)
async def test_it_gets_connected_receives_five_kinds_and_negotiates(pool, traits):
    await add_grid(pool, {"g1": "fp"}, unit="KW")
    async with world(pool) as here, trait_peer(traits, here.base_url) as peer:
        await connect(here, peer)
        await decide(pool, np.full((1, 96), 11_000.0))
        await until(lambda: len(peer.forecasts) >= 5, message=str(peer.refused))
        value = "16.5" if traits.capacity_type is str else 16.5
        ask = {
            "group_id": "g1", "type": "CONSUMPTION",
            "forecasted_blocks": [block(quarter_at(NOW) + 4, value, unit="KW", quarters=4)],
        }  # fmt: skip
        asked = await peer.call("adjust_group_capacity_forecast", ask, **{"X-Request-ID": "ask-1"})
        await decide(pool, np.full((1, 96), 16_500.0), kinds=["CONSUMPTION"], correlation_id="ask-1")
        answer = await until(lambda: [f for f in peer.forecasts if f["correlation"] == "ask-1"])
        if traits.ack_interval and traits.ack_interval < 5:
            await until(lambda: len(peer.beats) >= 2, message=str(peer.refused))

    assert asked.status_code == 204, asked.text
    assert {f["type"] for f in peer.forecasts} == set(KINDS)
    assert float(answer[0]["forecasted_blocks"][0]["capacity"]) == 16.5
    assert here.requests == [1]
    assert peer.refused == []


async def test_a_peer_that_sends_the_same_request_again_is_asked_once(pool):
    await add_grid(pool, {"g1": "fp"})
    async with world(pool) as here, trait_peer(OSCP_SDK, here.base_url) as peer:
        await connect(here, peer)
        ask = {"group_id": "g1", "type": "CONSUMPTION", "forecasted_blocks": [block(quarter_at(NOW) + 1, "9")]}
        same = [await peer.call("adjust_group_capacity_forecast", ask, **{"X-Request-ID": "a"}) for _ in range(3)]
        renewed = await peer.call("adjust_group_capacity_forecast", ask)
        ask["forecasted_blocks"][0]["capacity"] = "10"
        other = await peer.call("adjust_group_capacity_forecast", ask, **{"X-Request-ID": "a"})
        gone = await peer.call("register", {"why": "goodbye"}, method="DELETE")
        after = await peer.call("heartbeat", {"offline_mode_at": "2026-01-01T00:00:00Z"})

    assert [a.status_code for a in (*same, renewed)] == [204] * 4
    assert here.requests == [1]
    assert other.status_code == 400
    assert "came before with other content" in other.json()["message"]
    assert (gone.status_code, after.status_code) == (204, 403)


async def test_a_peer_that_was_silent_gets_a_handshake_and_the_newest_forecasts(pool):
    await add_grid(pool, {"g1": "fp"})
    async with world(pool, heartbeat_interval_s=1.0) as here, trait_peer(SOLARNETWORK, here.base_url) as peer:
        await connect(here, peer)
        await pool.execute('update peer set profile = \'{"preset": "solarnetwork", "heartbeat_interval_s": 1}\'')
        await decide(pool, np.full((1, 96), 11_000.0))
        await until(lambda: len(peer.forecasts) == 5)
        await peer.call("heartbeat", {"offline_mode_at": "2000-01-01T00:00:00Z"})

        async def offline():
            return await here.state("fp") == "offline"

        await until(offline)
        heard = [await here.last_heartbeat_at("fp")]
        await decide(pool, np.full((1, 96), 7_000.0))
        await asyncio.sleep(1.5)
        assert len(peer.forecasts) == 5
        await peer.call("heartbeat", {"offline_mode_at": "2100-01-01T00:00:00Z"})

        async def connected():
            return await here.state("fp") == "connected"

        await until(connected)
        await until(lambda: len(peer.forecasts) >= 10)
        await asyncio.sleep(1.5)
        heard.append(await here.last_heartbeat_at("fp"))

    assert heard[0] < heard[1]
    assert len(peer.forecasts) == 10
    assert all(f["forecasted_blocks"][0]["capacity"] == 10.1 for f in peer.forecasts[5:])


async def test_a_lost_reply_locks_nobody_out(pool):
    """The peer's server is down when our reply comes: its one-time token is good until the reply was taken."""
    await add_grid(pool, {"g1": "fp"})
    async with world(pool) as here:
        token = await invite(here.peering.desk, "fp")
        body = {"token": "x" * 20, "version_url": [{"version": "2.0", "base_url": "http://127.0.0.1:1/oscp/fp/2.0"}]}
        async with httpx.AsyncClient(trust_env=False) as http:
            url, head = f"{here.base_url}/register", {"Authorization": f"Token {token}", "X-Request-ID": "1"}
            first = await http.post(url, json=body, headers=head)

            async def failed():
                return await pool.fetchval("select last_error from peer where attempts > 0")

            await until(failed)
            again = await http.post(url, json=body, headers=head)
        async with trait_peer(OSCP_SDK, here.base_url) as peer:
            await pool.execute('update peer set profile = \'{"preset": "oscp-sdk"}\'')
            await peer.register(token)

            async def connected():
                return await here.state("fp") == "connected"

            await until(connected)
            late = await peer.call("register", body, Authorization=f"Token {token}")

    assert (first.status_code, again.status_code, late.status_code) == (204, 204, 403)
