"""A slow writer ties up nothing: the body of a request has to be there in time, however it is dripped."""

import asyncio
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.types.asgi_types import ReceiveMessage

_LIMIT = "body_timeout_s"


class TooSlow(HTTPException):
    """The body of a request did not come in time."""

    status_code = 408


def in_time(app: ASGIApp) -> ASGIApp:
    """A middleware: all of a request's body is there within the time that its sender has, or it is refused."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        begun_s = asyncio.get_running_loop().time()
        usual_s: float = scope["litestar_app"].state.oscp.settings.body_timeout_s
        is_whole = False

        async def hear() -> ReceiveMessage:
            nonlocal is_whole
            if is_whole:
                return await receive()
            message = await next_part(receive, begun_s, scope["state"].get(_LIMIT, usual_s))
            is_whole = not message.get("more_body", False)
            return message

        await app(scope, hear, send)

    return around


def allow(scope: Any, limit_s: float | None) -> None:
    """Give the sender of a request a time of its own; None: the usual one."""
    if limit_s is not None:
        scope["state"][_LIMIT] = limit_s


async def next_part(receive: Receive, begun_s: float, limit_s: float) -> ReceiveMessage:
    """The next part of a body of which all has to be there within a time from its beginning.

    Raises:
        TooSlow: it is not.
    """
    try:
        async with asyncio.timeout_at(begun_s + limit_s):
            return await receive()
    except TimeoutError as late:
        raise TooSlow(f"the body was not there within {limit_s:g} s") from late
