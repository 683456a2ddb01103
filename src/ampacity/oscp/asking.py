"""Requests for capacity come in: a short way past the framework for those that are plainly right and new.

It stands before the whole application.  Whatever is not whole at once, wrong, repeated or from somebody who may not ask
goes the usual way, as if nobody had looked at it, and is answered there.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from ampacity.errors import AmpacityError, NotReady
from ampacity.network.types import ForecastKind
from ampacity.operations.ask import AskDesk, Asking
from ampacity.oscp.door import Door, message_id
from ampacity.oscp.intake import COUNT, answer_taken
from ampacity.oscp.profiles import profile_of
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.values import text_from
from ampacity.oscp.wanted import wanted_power
from ampacity.oscp.wire import GroupCapacityForecast
from ampacity.peers.session import has_registered
from ampacity.peers.types import Caller, CapacityRequest, Connection, TokenPurpose
from ampacity.ports import Clock
from ampacity.timegrid import quarter_at

COUNTED = "is_counted"  # in the state of a request: its sender's allowance has paid for it
_MOST_QUARTERS_ASKED = 96 * 8
_AT_ONCE_S = 0.1  # a body that takes longer goes the usual way
_DECODER = msgspec.json.Decoder(GroupCapacityForecast)
_READ = {b"authorization": "authorization", b"x-request-id": "x-request-id", b"content-type": "content-type"}


def request_of(
    data: GroupCapacityForecast,
    headers: Mapping[str, str],
    content_hash: bytes,
    caller: Caller,
    group: Connection,
    *,
    clock: Clock,
) -> CapacityRequest:
    """What a message asks for.

    Raises:
        Unsuitable: it cannot be understood.
    """
    first, wanted_w = wanted_power(
        data.forecasted_blocks,
        group,
        profile_of(caller.peer.profile),
        now_quarter=quarter_at(clock()),
        most_quarters=_MOST_QUARTERS_ASKED,
    )
    return CapacityRequest(
        group_id=data.group_id,
        kind=ForecastKind(data.type),
        request_id=message_id(headers, content_hash),
        content_hash=content_hash,
        first_quarter=first,
        wanted_w=wanted_w,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingDoor:
    """Where requests for capacity come in."""

    door: Door
    desk: AskDesk
    settings: OscpSettings
    clock: Clock

    async def takes(self, asked: dict[str, Any], message: Any) -> bool:
        """Whether the request is recorded, durably; if not, it goes the usual way."""
        body: bytes = message.get("body", b"")
        headers = {_READ[name]: text.decode("latin-1") for name, text in asked["headers"] if name in _READ}
        is_whole = message["type"] == "http.request" and not message.get("more_body", False)
        if not is_whole or len(body) > self.settings.body_limit_bytes or "json" not in headers.get("content-type", ""):
            return False
        try:
            data = _DECODER.decode(body)
            if len(data.forecasted_blocks) > self.settings.blocks_limit:
                return False
            asking = self._asking(data, headers, hashlib.sha256(body).digest(), asked.setdefault("state", {}))
            return await self.desk.take(asking)
        except (AmpacityError, msgspec.DecodeError, RecursionError):
            return False  # it is told so on the usual way

    def _asking(
        self, data: GroupCapacityForecast, headers: Mapping[str, str], content_hash: bytes, state: dict[str, Any]
    ) -> Asking:
        def judged(caller: Caller, group: Connection) -> CapacityRequest:
            if caller.purpose is not TokenPurpose.ACTIVE or not has_registered(caller.peer.state):
                raise NotReady("its session is not what it should be")
            if COUNTED not in state:
                self.door.count(caller.peer.provider_no)
                state[COUNTED] = True
            return request_of(data, headers, content_hash, caller, group, clock=self.clock)

        return Asking(
            token_hash=self.door.token_hash(headers),
            group_id=text_from(data.group_id),
            kind=ForecastKind(data.type),
            request_id=message_id(headers, content_hash),
            judged=judged,
        )


def asking_first(app: ASGIApp, here: AskingDoor, path: str) -> ASGIApp:
    """An application before which requests for capacity are taken."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        asked = cast("dict[str, Any]", scope)
        if asked.get("path") != path or asked.get("method") != "POST" or COUNT in dict(asked["headers"]):
            await app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(_AT_ONCE_S):
                message: Any = await receive()
        except TimeoutError:
            await app(scope, receive, send)
            return
        if await here.takes(asked, message):
            await answer_taken(send)
        else:
            await app(scope, _again(message, receive), send)

    return around


def _again(message: Any, receive: Receive) -> Receive:
    """What gives a message once more, and then what follows it."""
    seen = [message]

    async def hear() -> Any:
        return seen.pop() if seen else await receive()

    return hear
