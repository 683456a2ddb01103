"""For a provider's developers: trigger each message that we would send, and read the conversation.

`POST /sandbox/trigger` with `{"do": …}` and the provider's own token; `GET /sandbox/conversation`
gives the last 100 messages both ways with what was wrong in them.  Never beside production data.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import httpx
import msgspec
import numpy as np
from litestar import Controller, Request, Router, get, post
from litestar.params import JSONBody
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from ampacity.errors import NotFound, NotReady, Refused, Unauthorised
from ampacity.network.types import ForecastKind
from ampacity.operations.desk import address_of
from ampacity.oscp.answers import HANDLERS
from ampacity.oscp.remarks import remarks_on
from ampacity.oscp.routes import PATH, Endpoint
from ampacity.peers.session import PeerEvent
from ampacity.peers.types import Caller, Connection, Delivery, Figures, OutboundForecast, Outcome, Peer
from ampacity.timegrid import quarter_at

_KEPT = 100
_LONGEST_BODY = 20_000
_SHOWN = {"x-request-id", "x-correlation-id", "content-type", "user-agent"}  # never a token

Action = Literal["register", "handshake", "heartbeat", "forecast", "emergency", "refusal", "silence", "speak"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation."""

    at: str
    direction: Literal["from you", "to you"]
    message: str
    headers: dict[str, str]
    body: str
    status: int | None
    answer: str
    remarks: list[str]


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What we shall do: for `forecast` a type, for `refusal` the X-Request-ID of a request of yours."""

    do: Action
    type: ForecastKind = ForecastKind.CONSUMPTION
    group_id: str | None = None
    request_id: str | None = None


class Triggered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    outcome: str
    detail: str


@dataclass(slots=True)
class Journal:
    """The last messages of each provider, by the hash of its token or its address."""

    lines: dict[str, deque[Line]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=_KEPT)))

    def note(self, provider_id: str, line: Line) -> None:
        self.lines[provider_id].append(line)


@dataclass(slots=True)
class ListeningTransport(httpx.AsyncBaseTransport):
    """Notes what we send and what is answered."""

    inner: httpx.AsyncBaseTransport
    journal: Journal
    now: Any

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        status, answer = None, ""
        await request.aread()
        try:
            response = await self.inner.handle_async_request(request)
            status, answer = response.status_code, (await response.aread()).decode("utf-8", "replace")
        except Exception as failed:
            answer = f"{type(failed).__name__}: {failed}"
            raise
        finally:
            provider_id = request.extensions.get("provider", "")
            self.journal.note(provider_id, self._line(request, status, answer))
        return response

    def _line(self, request: httpx.Request, status: int | None, answer: str) -> Line:
        return Line(
            at=self.now().isoformat(timespec="milliseconds"),
            direction="to you",
            message=request.url.path.rpartition("/")[2],
            headers={k: v for k, v in request.headers.items() if k in _SHOWN},
            body=request.content.decode("utf-8", "replace")[:_LONGEST_BODY],
            status=status,
            answer=answer[:_LONGEST_BODY],
            remarks=[] if status is not None and 200 <= status < 300 else ["it was not taken with a 2xx"],
        )

    async def aclose(self) -> None:
        await self.inner.aclose()


def sandbox_router() -> Router:
    """The sandbox's endpoints; the app's state has to hold the endpoint as `oscp` and the journal as `journal`."""
    return Router(path="/", route_handlers=[SandboxController], exception_handlers=HANDLERS)


def noting(app: ASGIApp, journal: Journal, endpoint: Endpoint) -> ASGIApp:
    """The whole application, with what peers say to us noted."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or not scope["path"].startswith(PATH):
            await app(scope, receive, send)
            return
        body, answer, status = bytearray(), bytearray(), [0]

        async def hear() -> Any:
            event: Any = await receive()
            body.extend(event.get("body", b"")[:_LONGEST_BODY])
            return event

        async def say(event: Message) -> None:
            if event["type"] == "http.response.start":
                status[0] = event["status"]
            elif event["type"] == "http.response.body":
                answer.extend(event.get("body", b""))
            await send(event)

        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        caller = await _caller_of(endpoint, headers)  # before it ends its session, if that is what it says
        await app(scope, hear, say)
        if caller is not None:
            message = scope["path"].removeprefix(PATH).strip("/")
            line = Line(
                at=endpoint.desk.wall().isoformat(timespec="milliseconds"), direction="from you",
                message=message, headers={k: v for k, v in headers.items() if k in _SHOWN},
                body=bytes(body).decode("utf-8", "replace"), status=status[0],
                answer=bytes(answer).decode("utf-8", "replace"), remarks=remarks_on(message, headers, bytes(body)),
            )  # fmt: skip
            journal.note(caller.peer.provider_id, line)

    return around


async def _caller_of(endpoint: Endpoint, headers: dict[str, str]) -> Caller | None:
    try:
        token_hash = endpoint.door.token_hash(headers)
    except (Unauthorised, Refused):  # whoever shows no token has no conversation
        return None
    return await endpoint.desk.peers.caller(token_hash)


class SandboxController(Controller):
    """What developers may do with nothing but their own token."""

    path = "/sandbox"
    tags = ("sandbox",)

    @get("/conversation", operation_id="conversation")
    async def conversation(self, request: Request[Any, Any, Any]) -> list[Line]:
        """The last 100 messages both ways, the newest last, with what was wrong in them."""
        _, caller = await _known(request)
        journal: Journal = request.app.state.journal
        return list(journal.lines[caller.peer.provider_id])

    @post("/trigger", status_code=200, operation_id="trigger")
    async def trigger(self, request: Request[Any, Any, Any], data: JSONBody[Trigger]) -> Triggered:
        """Let us send a message, or fall silent and speak again."""
        here, caller = await _known(request)
        if caller.peer.base_url is None or caller.peer.token_sealed is None:
            raise NotReady("register first: your address is not known")
        delivery = await _do(here, caller, data)
        return Triggered(outcome=delivery.outcome.value, detail=delivery.detail)


async def _known(request: Request[Any, Any, Any]) -> tuple[Endpoint, Caller]:
    here: Endpoint = request.app.state.oscp
    return here, await here.door.caller(request.headers, registering=True)


async def _do(here: Endpoint, caller: Caller, trigger: Trigger) -> Delivery:
    desk, peer = here.desk, caller.peer
    to = address_of(desk, peer)
    now = desk.wall()
    match trigger.do:
        case "register":
            await desk.peers.change(peer.provider_no, PeerEvent.REGISTER_RECEIVED, now, lambda p: _anew(p, now))
            desk.wake()
            return Delivery(outcome=Outcome.DELIVERED, detail="our register is on its way, then a handshake")
        case "handshake":
            return await desk.counterpart.shake_hands(to, desk.demands, message_id=str(uuid4()))
        case "heartbeat":
            return await desk.counterpart.beat(to, now + timedelta(minutes=3))
        case "silence" | "speak":
            await desk.peers.quieten(peer.provider_no, None if trigger.do == "silence" else now)
            quiet = "no heartbeats until `speak`" if trigger.do == "silence" else "heartbeats go on"
            return Delivery(outcome=Outcome.DELIVERED, detail=quiet)
        case "forecast" | "emergency" | "refusal":
            group = await _group(here, caller, trigger.group_id)
            return await desk.counterpart.forecast(to, _forecast(here, group, trigger))


def _anew(peer: Peer, now: datetime) -> Peer:
    return replace(peer, started_by="them", step_at=now, attempts=0, handshake_id=None)


async def _group(here: Endpoint, caller: Caller, group_id: str | None) -> Connection:
    groups = await here.requests.connections(caller.peer.provider_no)
    for group in groups:
        if group_id in {None, group.group_id}:
            return group
    raise NotFound("there is no such group")


def _forecast(here: Endpoint, group: Connection, trigger: Trigger) -> OutboundForecast:
    """A day of capacities that rise and fall; in an emergency an hour of nothing."""
    quarters = np.arange(4 if trigger.do == "emergency" else 96)
    share = 0.5 + 0.5 * np.cos(quarters / 96 * 2 * np.pi)
    capacity_w = (0.0 if trigger.do == "emergency" else group.contracted_w) * share
    figures = Figures(first_quarter=quarter_at(here.clock()), step_quarters=1, capacity_w=capacity_w.astype(np.float32))
    return OutboundForecast(
        message_id=0,
        group=group,
        kind=trigger.type,
        request_id=str(uuid4()),
        correlation_id=trigger.request_id,
        attempts=1,
        figures=figures,
        refusal="the sandbox refuses it" if trigger.do == "refusal" else None,
    )
