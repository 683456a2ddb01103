"""All pages under /console: who may enter, what a refusal looks like, the headers of every answer."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import MediaType, Request, Router, get
from litestar.exceptions import HTTPException
from litestar.response import Response

from ampacity.console import (
    accounts,
    assets,
    complaints,
    consent,
    element,
    group,
    limits,
    live,
    negotiations,
    overview,
    providers,
    quality,
)
from ampacity.console.desk import Console, ConsolePorts
from ampacity.console.front import Asked, enter
from ampacity.console.render import HEADERS, html
from ampacity.console.settings import ConsoleSettings
from ampacity.errors import (
    AmpacityError,
    Conflict,
    NotFound,
    NotReady,
    Refused,
    Unauthorised,
    Unreachable,
    Unsuitable,
)
from ampacity.operations.accounts import Reception
from ampacity.operations.consent import ConsentDesk
from ampacity.operations.limits import LimitDesk
from ampacity.operations.lookout import Lookout
from ampacity.ports import Clock

PATH = "/console"
_LOG = logging.getLogger(__name__)
_STATUS: dict[type[AmpacityError], int] = {
    Unsuitable: 422, NotFound: 404, Conflict: 409, Refused: 403, Unauthorised: 401, NotReady: 503, Unreachable: 502,
}  # fmt: skip
_TITLES = {
    401: "Not signed in", 403: "Not allowed", 404: "Not found", 405: "Not so", 409: "Changed meanwhile",
    422: "Not fit", 502: "No answer", 503: "Not yet",
}  # fmt: skip


def console_router(
    ports: ConsolePorts,
    settings: ConsoleSettings,
    *,
    clock: Clock,
    wall: Clock,
    base_url: str,
    power_factor: float = 0.95,
    demo_accounts: Sequence[str] = (),
    lookout: Lookout | None = None,
) -> Router:
    """The console, to be mounted in an app.

    Args:
        clock: The time of the data.
        base_url: Under which browsers reach the server, without a path.
        power_factor: As the cycle has it.
        demo_accounts: People whom anybody may be, the first one without asking; only `ampacity demo` gives them.
        lookout: One that somebody keeps ready; by default each page that finds something new waits for it.
    """
    console = Console(
        settings=settings,
        ports=ports,
        clock=clock,
        wall=wall,
        zone=ZoneInfo(settings.zone),
        base_url=base_url.rstrip("/"),
        reception=Reception(
            people=ports.people, wall=wall, idle=timedelta(hours=settings.idle_h),
            longest=timedelta(hours=settings.session_h),
        ),
        limit_desk=LimitDesk(
            limits=ports.limits, people=ports.people, clock=clock, wall=wall, power_factor=power_factor,
            grid=ports.grid, requests=ports.requests,
        ),
        consent_desk=ConsentDesk(requests=ports.requests, people=ports.people, clock=clock, wall=wall),
        lookout=lookout or Lookout(ports.views, ports.grid, power_factor),
        demo_accounts=tuple(demo_accounts),
    )  # fmt: skip

    async def behind_the_door(request: Asked) -> Response[Any] | None:
        return await enter(request, console)

    async def before_the_door(request: Asked) -> None:
        request.state.console = console

    handlers = _handlers(console)
    inside = Router("/", route_handlers=_INSIDE, before_request=behind_the_door)
    outside = Router("/", route_handlers=_OUTSIDE, before_request=before_the_door)
    inside.register(nowhere)
    return Router(
        PATH, route_handlers=[inside, outside], after_request=_with_headers, exception_handlers=handlers,
        include_in_schema=False,
    )  # fmt: skip


_INSIDE = [
    overview.elements_page, overview.grid_page, element.element_page, element.element_series, group.group_page,
    group.group_series, negotiations.negotiations_page, negotiations.negotiation_page, consent.answer_act,
    providers.providers_page,
    providers.retry_act, providers.invite_act, providers.remove_act,
    complaints.complaints_page, complaints.acknowledge_act,
    limits.limits_page, limits.new_limit_page, limits.foresee_page, limits.set_limit_act,
    limits.answer_limit_act, quality.quality_page, quality.decision_page, quality.audit_page, quality.audit_csv,
    quality.audit_json, accounts.accounts_page, accounts.accounts_act, accounts.sign_out_act, accounts.theme_act,
    live.live,
]  # fmt: skip
_OUTSIDE = [
    assets.asset_file, accounts.sign_in_page, accounts.sign_in_act, accounts.oidc_start, accounts.oidc_callback,
]  # fmt: skip


@get("/{rest:path}")
async def nowhere(request: Asked) -> Response[Any]:
    """Whatever else is asked for."""
    raise NotFound(f"there is no page {request.url.path}")


async def _with_headers(response: Response[Any]) -> Response[Any]:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _handlers(console: Console) -> dict[type[Exception] | int, Callable[[Request[Any, Any, Any], Any], Response[Any]]]:
    """A refusal is a page with its reason; for programs a line of JSON."""

    def told(request: Request[Any, Any, Any], error: AmpacityError) -> Response[Any]:
        status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
        return _refusal(console, request, status, str(error))

    def unknown(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        return _refusal(console, request, error.status_code, f"{request.url.path}: {error.detail}")

    def failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        _LOG.error("%s failed", request.url.path, exc_info=error)
        return _refusal(console, request, 500, "the server could not make this page; what went wrong is in its log")

    return {AmpacityError: told, HTTPException: unknown, Exception: failed}


def _refusal(console: Console, request: Request[Any, Any, Any], status: int, why: str) -> Response[Any]:
    if "text/html" not in request.headers.get("accept", "text/html"):
        return Response({"detail": why}, media_type=MediaType.JSON, status_code=status, headers=dict(HEADERS))
    title = _TITLES.get(status, "It did not work")
    response = html(console, "error.html", request=request, status_code=status, title=title, why=why)
    response.headers.update(HEADERS)
    return response
