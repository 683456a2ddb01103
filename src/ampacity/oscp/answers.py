"""Our errors as OSCP answers them: a status and `{"message": …}`."""

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from ampacity.errors import AmpacityError, Conflict, NotFound, NotReady, Refused, Unauthorised, Unreachable, Unsuitable
from ampacity.oscp.door import TooFast
from ampacity.oscp.patience import TooSlow
from ampacity.oscp.wire import Error

_LOG = logging.getLogger(__name__)
_MOST_MESSAGE = 2_000


class VersionUnknown(Refused):
    """The peer speaks no version that we speak."""


STATUS: dict[type[AmpacityError], int] = {
    Unsuitable: 400,
    Conflict: 400,
    Unauthorised: 401,
    TooFast: 429,
    VersionUnknown: 501,
    Refused: 403,
    NotReady: 403,
    NotFound: 404,
    Unreachable: 502,
    AmpacityError: 500,
}


def status_of(error: AmpacityError) -> int:
    """The status for an error: that of the nearest class in the table."""
    return next(STATUS[c] for c in type(error).__mro__ if c in STATUS)


def answer(status: int, message: str) -> Response[bytes]:
    """An answer with a message."""
    content = msgspec.json.encode(Error(message=message[:_MOST_MESSAGE]))
    return Response(content, status_code=status, media_type="application/json")


def _ours(_: Request[Any, Any, Any], error: AmpacityError) -> Response[bytes]:
    response = answer(status_of(error), str(error))
    if isinstance(error, TooFast):
        response.set_header("Retry-After", "1")
    return response


def _frameworks(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    response = answer(error.status_code, _told(error))
    if isinstance(error, TooSlow):
        response.set_header("Connection", "close")  # nobody waits for the rest of it
    return response


def _told(error: HTTPException) -> str:
    """The framework's words; where it looked at a body, msgspec's own."""
    cause = error.__cause__ or error.__context__
    return str(cause) if isinstance(cause, msgspec.DecodeError) else error.detail


def _too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[bytes]:
    return answer(400, "the body is nested too deeply")


def _unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(503 if isinstance(error, OSError | TimeoutError) else 500, "it failed on our side")


HANDLERS: ExceptionHandlersMap = {
    AmpacityError: _ours,
    HTTPException: _frameworks,
    RecursionError: _too_deep,
    Exception: _unforeseen,
}
