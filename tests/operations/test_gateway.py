"""A gateway pushes measurements: durable, once, refused with the reason."""

import gzip
from datetime import timedelta

import httpx
import msgspec
import numpy as np
import pytest
from litestar import Litestar

from ampacity.app.gateway.routes import gateway_controller
from ampacity.app.gateway.settings import GatewaySettings
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import DAYS, START

AT = START + timedelta(days=DAYS)
NOW = AT + timedelta(minutes=20)
TOKEN = "g" * 40
KNOWN = {"Authorization": f"Bearer {TOKEN}"}
ZIPPED = {**KNOWN, "Content-Encoding": "gzip"}


def batch(name="b1", start=AT, rows=(("c1", 1000.0, 2000.5, None), ("c2", 7.0, 8.0, 9.0))) -> bytes:
    return msgspec.json.encode({"id": name, "start": start, "load_w": rows})


@pytest.fixture
async def client(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    controller = gateway_controller(GatewaySettings(token=TOKEN), pool=pool, grid=grid, clock=lambda: NOW)
    transport = httpx.ASGITransport(app=Litestar([controller], logging_config=None))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        client.grid = grid
        yield client


async def stored(client, known_at=NOW):
    return (await client.grid.loads("element", range(3), Window(quarter_at(AT), 1), known_at))[:, :, 0]


async def test_what_was_answered_is_stored_and_a_repetition_changes_nothing(client, pool):
    compressed = gzip.compress(batch())
    for _ in range(2):
        answer = await client.post("/measurements", content=compressed, headers=ZIPPED)
        assert answer.status_code == 204, answer.text

    expected = [[np.nan] * 3, [1000.0, 2000.5, np.nan], [7.0, 8.0, 9.0]]
    assert np.array_equal(await stored(client), np.array(expected, np.float32), equal_nan=True)
    assert await pool.fetchval("select count(*) from load_block where quarters = 1") == 1


async def test_a_correction_holds_from_when_it_came(client):
    await client.post("/measurements", content=batch(), headers=KNOWN)
    corrected = batch("b2", rows=[("c1", 500.0, None, None)])

    assert (await client.post("/measurements", content=corrected, headers=KNOWN)).status_code == 204

    assert (await stored(client))[1].tolist()[:2] == [500.0, 2000.5]


@pytest.mark.parametrize(
    ("body", "headers", "status", "why"),
    [
        pytest.param(batch(), {}, 401, "token", id="no token"),
        pytest.param(batch(), {"Authorization": "Bearer x"}, 401, "token", id="wrong token"),
        pytest.param(batch(rows=[("nowhere", 1, 1, 1)]), KNOWN, 400, "nowhere", id="unknown element"),
        pytest.param(batch(rows=[("c1", 1, 1, 1), ("c1", 2, 2, 2)]), KNOWN, 400, "twice", id="element twice"),
        pytest.param(batch(start=AT + timedelta(minutes=7)), KNOWN, 400, "quarter", id="between quarters"),
        pytest.param(batch(start=AT + timedelta(hours=1)), KNOWN, 400, "yet to come", id="future"),
        pytest.param(b"{", KNOWN, 400, "truncated", id="cut off"),
        pytest.param(b"no gzip", ZIPPED, 400, "gzip", id="not gzip"),
        pytest.param(gzip.compress(b" " * (65 * 2**20), mtime=0), ZIPPED, 400, "longer", id="bomb"),
    ],
)
async def test_a_wrong_batch_is_refused_with_the_reason(client, pool, body, headers, status, why):
    answer = await client.post("/measurements", content=body, headers=headers)

    assert answer.status_code == status, answer.text
    assert why in answer.text
    assert await pool.fetchval("select count(*) from gateway_batch") == 0


async def test_another_batch_with_the_same_id_is_refused(client):
    await client.post("/measurements", content=batch(), headers=KNOWN)

    answer = await client.post("/measurements", content=batch(rows=[("c1", 1.0, 1.0, 1.0)]), headers=KNOWN)

    assert answer.status_code == 400
    assert "other content" in answer.text
