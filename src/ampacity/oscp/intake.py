"""Measurements come in: a short way past the framework, since they are most of what comes.

It stands before the whole application, and answers itself what it can take; whatever is wrong is answered
inside, where the handlers of `UsageController` document the messages.  Every request is answered when it is
durable.
"""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from typing import Any, cast

import msgspec
from litestar.exceptions import ClientException, HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from ampacity.errors import Unsuitable
from ampacity.operations.measure import UsageDesk
from ampacity.oscp.door import Door, message_id
from ampacity.oscp.patience import next_part
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.readings import asset_readings, group_readings
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.values import text_from
from ampacity.oscp.wire import UpdateAssetMeasurements, UpdateGroupMeasurements
from ampacity.peers.metering import Reading
from ampacity.peers.types import UsageMessage

GROUP_DECODER = msgspec.json.Decoder(UpdateGroupMeasurements)
_ASSETS = msgspec.json.Decoder(UpdateAssetMeasurements)
_ENCODER = msgspec.json.Encoder()
_READ = ((b"authorization", "authorization"), (b"x-request-id", "x-request-id"))  # of the headers, under these names
COUNT = b"x-segment-count"  # of a message in parts
_FAILED = "failed"  # in the state of a request: what was wrong with it
_START: Any = {"type": "http.response.start", "status": 204, "headers": []}
_END: Any = {"type": "http.response.body", "body": b"", "more_body": False}


def usage_first(app: ASGIApp, door: Door, usage: UsageDesk, settings: OscpSettings, paths: Collection[str]) -> ASGIApp:
    """An application before which reports of measurements are taken; those in parts go through it."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        asked = cast("dict[str, Any]", scope)
        if asked.get("path") not in paths or asked.get("method") != "POST" or COUNT in dict(asked["headers"]):
            await app(scope, receive, send)
            return
        state = asked.setdefault("state", {})
        try:
            await take_usage(scope, receive, door, usage, settings)
        except Exception as failed:  # noqa: BLE001
            # Not handled here but answered inside, as every error of a message is.
            state[_FAILED] = failed
            await app(scope, receive, send)
            return
        await answer_taken(send)

    return around


def takes_usage(app: ASGIApp) -> ASGIApp:  # noqa: ARG001  # the framework names it
    """A middleware that takes reports of measurements itself."""

    async def intake(scope: Scope, receive: Receive, send: Send) -> None:
        here, state = scope["litestar_app"].state.oscp, scope["state"]
        if _FAILED in state:
            raise state.pop(_FAILED)
        await take_usage(scope, receive, here.door, here.usage, here.settings)
        await answer_taken(send)

    return intake


async def answer_taken(send: Send) -> None:
    """Answer that a message is durable: 204."""
    await send(_START)
    await send(_END)


async def take_usage(scope: Scope, receive: Receive, door: Door, usage: UsageDesk, settings: OscpSettings) -> None:
    """Record one report; durable when this returns.

    Raises:
        AmpacityError: as the endpoints answer it.
        HTTPException: the body is too long, or it breaks off.
    """
    given = dict(scope["headers"])
    headers = {text: given[name].decode("latin-1") for name, text in _READ if name in given}
    token_hash = door.token_hash(headers)
    profile = await door.profile(token_hash)
    limit_bytes = scope["state"].get("body_limit_bytes", settings.body_limit_bytes)
    body = await body_of(receive, limit_bytes, profile.body_timeout_s or settings.body_timeout_s)
    group_id, found = _readings(scope["path"], body, profile)
    content_hash = hashlib.sha256(body).digest()
    await usage.take(
        UsageMessage(
            token_hash=token_hash,
            group_id=text_from(group_id),
            request_id=message_id(headers, content_hash),
            content_hash=content_hash,
            readings=_ENCODER.encode(found),
        )
    )


def _readings(path: str, body: bytes, profile: PeerProfile) -> tuple[str, Sequence[Reading]]:
    try:
        if path.endswith("/update_group_measurements"):
            group = GROUP_DECODER.decode(body)
            return group.group_id, group_readings(group.measurements, profile)
        assets = _ASSETS.decode(body)
    except msgspec.DecodeError as wrong:
        raise Unsuitable(str(wrong)) from wrong
    return assets.group_id, asset_readings(assets.measurements, profile)


async def body_of(receive: Receive, limit_bytes: int, limit_s: float) -> bytes:
    """All of a request's body.

    Raises:
        HTTPException: it is too long, takes too long, or breaks off.
    """
    begun_s = asyncio.get_running_loop().time()
    message: Any = await next_part(receive, begun_s, limit_s)
    body: bytes = message.get("body", b"")
    parts, size = [body], len(body)
    while message.get("more_body", False) and size <= limit_bytes:
        message = await next_part(receive, begun_s, limit_s)
        if message["type"] == "http.disconnect":
            raise ClientException("it went away before the end of the body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit_bytes:
        raise HTTPException(status_code=413, detail=f"the body is longer than {limit_bytes} bytes")
    return body if len(parts) == 1 else b"".join(parts)
