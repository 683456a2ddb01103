"""Messages in parts: each is answered with 204 when it is durable, the last one as the whole message is.

We send none.  Whether a part is complete JSON with a part of the list, or a piece of the text, is not certain
(OSCP.md 1.2): lists are put together where every part is JSON, else the text is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from ampacity.errors import NotReady, Unsuitable
from ampacity.oscp.door import Door, message_id
from ampacity.oscp.intake import COUNT, body_of
from ampacity.oscp.profiles import profile_of
from ampacity.oscp.settings import OscpSettings
from ampacity.peers.segments import Segment, whole
from ampacity.peers.session import has_registered
from ampacity.ports.segments import Segments

IN_PARTS = (
    "adjust_group_capacity_forecast", "group_capacity_compliance_error", "update_group_measurements",
    "update_asset_measurements",
)  # fmt: skip
_MOST_PARTS = 100
_TIMES_THE_BODY = 8  # as long as one request may be, so many times a message in parts may be
_INDEX = b"x-segment-index"
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TAKEN: tuple[Any, ...] = (
    {"type": "http.response.start", "status": 204, "headers": []},
    {"type": "http.response.body", "body": b"", "more_body": False},
)


def put_together(app: ASGIApp) -> ASGIApp:
    """A middleware that keeps the parts of a message and hands it on when it is whole."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        if COUNT not in dict(scope["headers"]):
            await app(scope, receive, send)
            return
        here = scope["litestar_app"].state.oscp
        parts = await _kept(scope, receive, here.door, here.segments, here.settings)
        if parts is None:
            for event in _TAKEN:
                await send(event)
            return
        await app(_scope_of(scope, parts[0], body := joined([p.content for p in parts])), _once(body), send)

    return around


async def _kept(
    scope: Scope, receive: Receive, door: Door, segments: Segments, settings: OscpSettings
) -> Sequence[Segment] | None:
    """Keep a part; gives the whole message with the part that completes it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    caller = await door.caller(headers, registering=False)
    if not has_registered(caller.peer.state):
        raise NotReady(f"register first: the session is {caller.peer.state}")
    limit_s = profile_of(caller.peer.profile).body_timeout_s or settings.body_timeout_s
    body = await body_of(receive, settings.body_limit_bytes, limit_s)
    segment = _segment(scope["path"].rpartition("/")[2], headers, body)
    limit_bytes = _TIMES_THE_BODY * settings.body_limit_bytes
    scope["state"]["body_limit_bytes"] = limit_bytes
    return whole(segment, await segments.add(caller.peer.provider_no, segment, limit_bytes=limit_bytes))


def _segment(message: str, headers: Mapping[str, str], body: bytes) -> Segment:
    index, count = _number(headers, "X-Segment-Index"), _number(headers, "X-Segment-Count")
    if not 1 <= index <= count:
        raise Unsuitable(f"X-Segment-Index: is {index}, must be from 1 to {count}, the X-Segment-Count")
    if count > _MOST_PARTS:
        raise HTTPException(status_code=413, detail=f"X-Segment-Count: is {count}, more than {_MOST_PARTS}")
    if message not in IN_PARTS and count > 1:
        raise Unsuitable(f"X-Segment-Count: {message} does not come in parts")
    if not headers.get("x-request-id", "").strip():
        raise Unsuitable("X-Request-ID: is missing; a message in parts needs one")
    correlation_id = headers.get("x-correlation-id", "").strip()[:256]
    return Segment(
        message=message, request_id=message_id(headers, b""), index=index, count=count,
        correlation_id=correlation_id or None, content=body,
    )  # fmt: skip


def _number(headers: Mapping[str, str], name: str) -> int:
    given = headers.get(name.lower(), "").strip()
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        raise Unsuitable(f"{name}: {given!r} is no number")
    return int(given)


def joined(parts: Sequence[bytes]) -> bytes:
    """The message that parts are of: their lists one after the other, what else they say the same in each.

    Raises:
        Unsuitable: the parts contradict each other.

    Example:
        >>> joined([b'{"group_id": "g", "measurements": [1]}', b'{"group_id": "g", "measurements": [2, 3]}'])
        b'{"group_id":"g","measurements":[1,2,3]}'
        >>> joined([b'{"group_id": "g", "meas', b'urements": [1]}'])
        b'{"group_id": "g", "measurements": [1]}'
    """
    if len(parts) == 1:
        return parts[0]
    try:
        found = [_FIELDS.decode(part) for part in parts]
    except (msgspec.DecodeError, RecursionError):
        return b"".join(parts)
    message: dict[str, object] = {}
    for n, fields in enumerate(found, start=1):
        for name, value in fields.items():
            if bytes(value)[:1] == b"[":
                message[name] = [*_so_far(message, name), *_LIST.decode(value)]
            elif name in message and message[name] != value:
                raise Unsuitable(f"{name}: part {n} says something else than those before")
            else:
                message[name] = value
    return msgspec.json.encode(message)


def _so_far(message: Mapping[str, object], name: str) -> list[msgspec.Raw]:
    before = message.get(name, [])
    if not isinstance(before, list):
        raise Unsuitable(f"{name}: is a list in one part only")
    return before


def _scope_of(scope: Scope, first: Segment, body: bytes) -> Any:
    """The request as if the message had come at once."""
    ours = {COUNT, _INDEX, b"x-request-id", b"x-correlation-id", b"content-length", b"transfer-encoding"}
    headers = [(name, value) for name, value in scope["headers"] if name not in ours]
    headers += [(b"x-request-id", first.request_id.encode("latin-1")), (b"content-length", b"%d" % len(body))]
    if first.correlation_id is not None:
        headers.append((b"x-correlation-id", first.correlation_id.encode("latin-1")))
    return {**scope, "headers": headers}


def _once(body: bytes) -> Any:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
