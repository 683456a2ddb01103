"""The endpoints of a Capacity Provider; what they do is in `operations`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Controller, Request, Router, delete, post, put
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp

from ampacity.errors import NotFound, NotReady, Unsuitable
from ampacity.operations.ask import AskDesk, take_request
from ampacity.operations.complain import take_complaint
from ampacity.operations.desk import Desk
from ampacity.operations.handshake import take_acknowledgement, take_handshake
from ampacity.operations.heartbeat import take_heartbeat
from ampacity.operations.measure import UsageDesk
from ampacity.operations.register import remove, take_registration, take_renewal
from ampacity.oscp import mapping, wire
from ampacity.oscp.answers import HANDLERS, VersionUnknown
from ampacity.oscp.asking import COUNTED, AskingDoor, asking_first, request_of
from ampacity.oscp.door import Door
from ampacity.oscp.door import message_id as id_of
from ampacity.oscp.guard import allowed_target
from ampacity.oscp.intake import takes_usage, usage_first
from ampacity.oscp.patience import allow, in_time
from ampacity.oscp.profiles import PeerProfile, profile_of
from ampacity.oscp.segments import put_together
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.values import moment_from, text_from
from ampacity.peers.session import has_registered
from ampacity.peers.types import Caller, Complaint
from ampacity.ports import Clock, Requests, Segments

PATH = "/oscp/cp/2.0"
_LONGEST_ID = 256
_ERRORS = {
    status: ResponseSpec(wire.Error, description=why, generate_examples=False)
    for status, why in {
        400: "The message is wrong", 401: "No token", 403: "A token that is not good, or a message out of turn",
        404: "No such group", 408: "The body took too long", 413: "The body is too large", 429: "Too fast",
    }.items()
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What the endpoints work with; `clock` is the time of the data."""

    desk: Desk
    door: Door
    usage: UsageDesk
    requests: Requests
    segments: Segments
    settings: OscpSettings
    clock: Clock
    decide: Callable[[int], None]
    alarm: Callable[[int, Complaint], None]


Here = NamedDependency[Endpoint]
Asked = Request[Any, Any, Any]


async def knows_caller(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the request shows a good token; who it is stands in the request's state, before the body is read."""
    door: Door = connection.app.state.oscp.door
    registering = connection.scope["path"].endswith("/register")
    counted = bool(connection.scope["state"].get(COUNTED))
    caller = await door.caller(connection.headers, registering=registering, counted=counted)
    connection.state.caller = caller
    allow(connection.scope, profile_of(caller.peer.profile).body_timeout_s)


class SessionController(Controller):
    """Registration, handshake, heartbeat."""

    path = PATH
    tags = ("session",)
    middleware = (in_time, put_together)
    guards = (knows_caller,)

    @post("/register", status_code=204, operation_id="register", responses=_ERRORS | {501: ResponseSpec(wire.Error)})
    async def register(self, request: Asked, data: JSONBody[wire.Register], here: Here) -> None:
        """Start a registration, or answer ours."""
        caller = _caller(request)
        url = _base_url(data, here, caller)
        message_id = id_of(request.headers, _hash(await request.body()))
        await take_registration(here.desk, caller, base_url=url, token=data.token, message_id=message_id)

    @put("/register", status_code=204, operation_id="renew", responses=_ERRORS | {501: ResponseSpec(wire.Error)})
    async def renew(self, request: Asked, data: JSONBody[wire.Register], here: Here) -> None:
        """Tell another token or address."""
        caller = _caller(request)
        await take_renewal(here.desk, caller, base_url=_base_url(data, here, caller), token=data.token)

    @delete("/register", status_code=204, operation_id="unregister", responses=_ERRORS)
    async def unregister(self, request: Asked, here: Here) -> None:
        """End the session; a body is taken and not looked at."""
        await remove(here.desk, _caller(request).peer.provider_no)

    @post("/handshake", status_code=204, operation_id="handshake", responses=_ERRORS)
    async def handshake(self, request: Asked, data: JSONBody[wire.Handshake], here: Here) -> None:
        """Tell what is demanded of us; we acknowledge."""
        caller, profile = _known(request)
        message_id = id_of(request.headers, _hash(await request.body()))
        await take_handshake(here.desk, caller, mapping.behaviour_from(data, profile), message_id=message_id)

    @post("/handshake_acknowledge", status_code=204, operation_id="handshakeAcknowledge", responses=_ERRORS)
    async def acknowledge(self, request: Asked, data: JSONBody[wire.Handshake], here: Here) -> None:
        """Answer our handshake."""
        caller, profile = _known(request)
        await take_acknowledgement(here.desk, caller, mapping.behaviour_from(data, profile))

    @post("/handshake_acknowledgment", status_code=204, operation_id="handshakeAcknowledgment", responses=_ERRORS)
    async def acknowledge_misspelt(self, request: Asked, data: JSONBody[wire.Handshake], here: Here) -> None:
        """The same under the name that one implementation gives it."""
        caller, profile = _known(request)
        await take_acknowledgement(here.desk, caller, mapping.behaviour_from(data, profile))

    @post("/heartbeat", status_code=204, operation_id="heartbeat", responses=_ERRORS)
    async def heartbeat(self, request: Asked, data: JSONBody[wire.Heartbeat], here: Here) -> None:
        """Tell until when the sender is online."""
        caller, profile = _known(request)
        moment = moment_from(data.offline_mode_at, profile, "offline_mode_at")
        await take_heartbeat(here.desk, caller, moment)


class CapacityController(Controller):
    """Requests for capacity and complaints about it."""

    path = PATH
    tags = ("capacity",)
    middleware = (in_time, put_together)
    guards = (knows_caller,)

    @post(
        "/adjust_group_capacity_forecast",
        status_code=204,
        operation_id="adjustGroupCapacityForecast",
        responses=_ERRORS,
    )
    async def adjust(self, request: Asked, data: JSONBody[wire.GroupCapacityForecast], here: Here) -> None:
        """Ask for another capacity; the answer is an UpdateGroupCapacityForecast that names this message."""
        caller, _ = _known(request)
        _registered(caller)
        body = await request.body()
        if len(data.forecasted_blocks) > here.settings.blocks_limit:
            raise Unsuitable(
                f"forecasted_blocks: {len(data.forecasted_blocks)} are more than {here.settings.blocks_limit}"
            )
        group = await here.requests.connection(caller.peer.provider_no, text_from(data.group_id))
        if group is None:
            raise NotFound("there is no such group")
        asked = request_of(data, request.headers, _hash(body), caller, group, clock=here.clock)
        await take_request(here.requests, caller.peer.provider_no, asked, clock=here.clock, decide=here.decide)

    @post(
        "/group_capacity_compliance_error",
        status_code=204,
        operation_id="groupCapacityComplianceError",
        responses=_ERRORS,
    )
    async def complain(self, request: Asked, data: JSONBody[wire.GroupCapacityComplianceError], here: Here) -> None:
        """Tell that a forecast cannot be kept; X-Correlation-ID names it."""
        caller, _ = _known(request)
        _registered(caller)
        body = await request.body()
        complaint = Complaint(
            message=text_from(data.message),
            request_id=id_of(request.headers, _hash(body)),
            content_hash=_hash(body),
            correlation_id=text_from(request.headers.get("x-correlation-id", ""))[:_LONGEST_ID] or None,
            detail=_storable(data.forecasted_blocks) if data.forecasted_blocks else None,
        )
        await take_complaint(here.requests, caller.peer.provider_no, complaint, clock=here.clock, alarm=here.alarm)


class UsageController(Controller):
    """Measurements; `intake` stands before these handlers and answers, so that only their description counts."""

    path = PATH
    tags = ("usage",)
    middleware = (put_together, takes_usage)

    @post("/update_group_measurements", status_code=204, operation_id="updateGroupMeasurements", responses=_ERRORS)
    async def group_measurements(self, data: JSONBody[wire.UpdateGroupMeasurements]) -> None:
        """Report the registers of a group."""

    @post("/update_asset_measurements", status_code=204, operation_id="updateAssetMeasurements", responses=_ERRORS)
    async def asset_measurements(self, data: JSONBody[wire.UpdateAssetMeasurements]) -> None:
        """Report the registers and the power of single assets."""


def oscp_router(endpoint: Endpoint) -> Router:
    """The endpoints under `/oscp/cp/2.0`; the app's state has to hold the endpoint as `oscp` for the guard."""
    return Router(
        path="/",
        route_handlers=[SessionController, CapacityController, UsageController],
        dependencies={"here": Provide(lambda: endpoint, sync_to_thread=False)},
        exception_handlers=HANDLERS,
        request_max_body_size=endpoint.settings.body_limit_bytes,
    )


def with_short_ways(app: ASGIApp, endpoint: Endpoint) -> ASGIApp:
    """The application, with the short ways for measurements and for requests for capacity before it."""
    paths = {f"{PATH}/update_group_measurements", f"{PATH}/update_asset_measurements"}
    app = usage_first(app, endpoint.door, endpoint.usage, endpoint.settings, paths)
    desk = AskDesk(endpoint.desk.peers, endpoint.requests, clock=endpoint.clock, decide=endpoint.decide)
    asking = AskingDoor(door=endpoint.door, desk=desk, settings=endpoint.settings, clock=endpoint.clock)
    return asking_first(app, asking, f"{PATH}/adjust_group_capacity_forecast")


def _caller(request: Asked) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _storable(blocks: list[wire.ForecastedBlock]) -> object:
    """Blocks as they stand, without the character 0, which PostgreSQL's JSON has not either."""
    return msgspec.json.decode(msgspec.json.encode(blocks).replace(b"\\u0000", b"\\ufffd"))


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _known(request: Asked) -> tuple[Caller, PeerProfile]:
    caller = _caller(request)
    return caller, profile_of(caller.peer.profile)


def _registered(caller: Caller) -> None:
    if not has_registered(caller.peer.state):
        raise NotReady(f"register first: the session is {caller.peer.state}")


def _base_url(message: wire.Register, here: Endpoint, caller: Caller) -> str:
    """The address that a peer gives for our version, if we may call it; a relative one leaves the address as it is."""
    url = mapping.chosen_url(message)
    if url is None:
        raise VersionUnknown(f"version_url: none of the versions is {wire.VERSION}")
    known = caller.peer.base_url
    if known is not None and not urlsplit(url).scheme and url.startswith("/"):
        return known
    allowed_target(url, here.settings.trusted_hosts)
    return url
