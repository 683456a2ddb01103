"""`POST /measurements`: durable when it is answered, once per id, with a token of its own."""

import asyncio
import hashlib
import hmac
from datetime import datetime
from typing import Any

from litestar import Controller, Request, Response, post

from ampacity.app.gateway.batch import unpacked, values_of
from ampacity.app.gateway.settings import GatewaySettings
from ampacity.errors import Unauthorised
from ampacity.network import Network
from ampacity.oscp.answers import HANDLERS
from ampacity.ports import Clock, GridStore
from ampacity.store.gateway import take_batch
from ampacity.store.pool import Pool

LARGEST_BODY_BYTES = 16 * 2**20


def gateway_controller(settings: GatewaySettings, *, pool: Pool, grid: GridStore, clock: Clock) -> type[Controller]:
    """The route on its parts."""
    numbers = _Numbers()

    class GatewayController(Controller):
        """Measurements from the control system."""

        path = "/measurements"
        tags = ("gateway",)
        exception_handlers = HANDLERS
        request_max_body_size = LARGEST_BODY_BYTES

        @post("/", status_code=204, operation_id="pushMeasurements")
        async def push(self, request: Request[Any, Any, Any]) -> Response[None]:
            """Take the mean power of elements over a quarter hour."""
            _check(request.headers.get("authorization", ""), settings.token)
            body = unpacked(await request.body(), request.headers.get("content-encoding", "").strip().lower())
            now: datetime = clock()
            known = numbers.of(await grid.network())
            values = await asyncio.to_thread(values_of, body, known, now)
            await take_batch(
                pool,
                values.batch_id,
                hashlib.sha256(body).digest(),
                numbers=values.numbers,
                quarter=values.quarter,
                load_w=values.load_w,
                known_at=now,
            )
            return Response(None, status_code=204)

    return GatewayController


def _check(given: str, token: str) -> None:
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Unauthorised("the token is not the gateway's")


class _Numbers:
    """Numbers of elements by name, made anew when the grid changes."""

    def __init__(self) -> None:
        self._network: Network | None = None
        self._numbers: dict[str, int] = {}

    def of(self, network: Network) -> dict[str, int]:
        if network is not self._network:
            self._numbers = {e.element_id: i for i, e in enumerate(network.elements)}
            self._network = network
        return self._numbers
