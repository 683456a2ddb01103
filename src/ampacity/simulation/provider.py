"""A Flexibility Provider that speaks OSCP and nothing else: the session's side of it.

It registers with a Capacity Provider or waits to be registered, acknowledges
handshakes, beats, and holds the forecasts that it gets.  It can be told to misbehave.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from ampacity.oscp import mapping, wire
from ampacity.oscp.client import OscpClient
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.values import moment_from
from ampacity.peers.types import Address, Behaviour, Delivery, Outcome
from ampacity.simulation.held import HeldForecasts
from ampacity.simulation.listener import Answer, Heard, Manner

FP_PATH = "/oscp/fp/2.0"
_ANY = PeerProfile(zone="UTC")
_BEATS_AHEAD = 3.0
_DEMANDS = Behaviour(heartbeat_interval_s=10.0, measurements=("CONTINUOUS",))

Tell = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """What goes wrong on purpose; nothing by default."""

    delay_s: float = 0.0
    status: int = 0  # answer forecasts with this status
    manner: Manner = "plain"  # how forecasts are answered
    naive_times: bool = False
    wrong_token: bool = False
    mute: bool = False  # no heartbeats, no acknowledgements


@dataclass(slots=True)
class SimulatedProvider:
    """One provider; `client` speaks for it, `tell` hears of everything that happens."""

    client: OscpClient
    tell: Tell
    own_url: str
    cp_url: str | None = None
    token_out: str | None = None  # with which it calls the Capacity Provider
    tokens_in: set[str] = field(default_factory=set)  # with which it may be called
    demands: Behaviour = _DEMANDS
    misbehaviour: Misbehaviour = Misbehaviour()
    groups: dict[str, HeldForecasts] = field(default_factory=dict)
    cp_demands: Behaviour | None = None
    cp_offline_at: datetime | None = None
    answers: dict[str, list[wire.GroupCapacityForecast]] = field(default_factory=dict)  # by the request answered
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _replied: bool = False

    # --- out

    async def send(self, message: str, body: msgspec.Struct, **headers: Any) -> Delivery:
        """Send a message to the Capacity Provider."""
        assert self.cp_url is not None
        assert self.token_out is not None
        token = "wrong" if self.misbehaviour.wrong_token and message != "register" else self.token_out
        to = Address(provider_id="capacity provider", base_url=self.cp_url, token=token)
        delivery = await self.client.post(to, message, body, **headers)
        self.tell("sent", {"message": message, "outcome": delivery.outcome.value, "detail": delivery.detail})
        return delivery

    async def register(self) -> Delivery:
        """Start the registration with the one-time token that is known."""
        token = secrets.token_urlsafe(32)
        self.tokens_in.add(token)
        return await self.send("register", mapping.register_message(token, self.own_url))

    async def ask(self, message: wire.GroupCapacityForecast) -> tuple[str, Delivery]:
        """Ask for another capacity; gives the id under which the answer will come."""
        request_id = str(uuid4())
        return request_id, await self.send("adjust_group_capacity_forecast", message, request_id=request_id)

    async def beat(self) -> None:
        """Heartbeats as the Capacity Provider asked, for ever."""
        while True:
            interval = self.cp_demands.heartbeat_interval_s if self.cp_demands else None
            if interval is None or self.misbehaviour.mute or self.token_out is None:
                await asyncio.sleep(0.2)
                continue
            ahead = datetime.now(UTC) + timedelta(seconds=_BEATS_AHEAD * interval)
            profile = PeerProfile(naive_heartbeat=self.misbehaviour.naive_times, zone="UTC")
            await self.send("heartbeat", mapping.heartbeat_message(ahead, profile))
            await asyncio.sleep(interval)

    @property
    def is_connected(self) -> bool:
        return self.cp_demands is not None

    def hears_the_other(self) -> bool:
        """Whether the Capacity Provider is online, by its own word."""
        return self.cp_offline_at is None or datetime.now(UTC) < self.cp_offline_at

    # --- in

    async def respond(self, heard: Heard) -> Answer:
        """Answer a message of the Capacity Provider."""
        message = heard.path.removeprefix(FP_PATH).strip("/")
        if heard.path == message or heard.method not in {"POST", "PUT", "DELETE"}:
            return _said(404, "there is nothing here")
        token = heard.headers.get("authorization", "").removeprefix("Token ").strip()
        if token not in self.tokens_in:
            return _said(403 if token else 401, "the token is not good")
        try:
            answer = self._take(message, heard, token)
        except (msgspec.DecodeError, ValueError) as wrong:
            answer = _said(400, str(wrong))
        self.tell("got", {"message": message, "status": answer.status, "id": heard.headers.get("x-request-id")})
        return replace(answer, delay_s=self.misbehaviour.delay_s)

    def _take(self, message: str, heard: Heard, token: str) -> Answer:
        match message:
            case "register":
                return self._take_register(heard, token)
            case "handshake":
                return self._take_handshake(heard)
            case "handshake_acknowledge":
                said = msgspec.json.decode(heard.body, type=wire.Handshake)
                self.cp_demands = mapping.behaviour_from(said, _ANY)
                return Answer()
            case "heartbeat":
                beat = msgspec.json.decode(heard.body, type=wire.Heartbeat)
                self.cp_offline_at = moment_from(beat.offline_mode_at, _ANY, "offline_mode_at")
                return Answer()
            case "update_group_capacity_forecast":
                return self._take_forecast(heard)
            case _:
                return _said(404, f"there is no {message}")

    def _take_register(self, heard: Heard, token: str) -> Answer:
        if heard.method == "DELETE":
            self.tokens_in.discard(token)
            return Answer()
        said = msgspec.json.decode(heard.body, type=wire.Register)
        url = mapping.chosen_url(said)
        if url is None:
            return _said(501, "only 2.0 is spoken here")
        started_by_us = self.token_out is not None and not self._replied
        self.cp_url, self.token_out = url, said.token
        self.tell("registered", {"base_url": url})
        if heard.method == "PUT" or started_by_us:
            self._replied = True
            return Answer()
        self._replied = True
        return Answer(after=lambda: self._spawn(self._reply(heard.headers.get("x-request-id"), token)))

    async def _reply(self, answers: str | None, one_time_token: str) -> None:
        token = secrets.token_urlsafe(32)
        self.tokens_in.add(token)
        delivery = await self.send("register", mapping.register_message(token, self.own_url), correlation_id=answers)
        if delivery.outcome is Outcome.DELIVERED:
            self.tokens_in.discard(one_time_token)

    def _take_handshake(self, heard: Heard) -> Answer:
        said = msgspec.json.decode(heard.body, type=wire.Handshake)
        demands = mapping.behaviour_from(said, _ANY)
        if self.misbehaviour.mute:
            return Answer()
        return Answer(after=lambda: self._spawn(self._acknowledge(demands, heard.headers.get("x-request-id"))))

    async def _acknowledge(self, demands: Behaviour, answers: str | None) -> None:
        body = mapping.handshake_message(self.demands, PeerProfile())
        await self.send("handshake_acknowledge", body, correlation_id=answers)
        self.cp_demands = demands

    def _take_forecast(self, heard: Heard) -> Answer:
        bad = self.misbehaviour
        if bad.status or bad.manner != "plain":
            headers = {"Location": self.own_url} if 300 <= bad.status < 400 else {}
            return Answer(status=bad.status or 204, headers=headers, body=b"{}", manner=bad.manner)
        said = msgspec.json.decode(heard.body, type=wire.GroupCapacityForecast)
        self.groups.setdefault(said.group_id, HeldForecasts()).take(said)
        answers = heard.headers.get("x-correlation-id")
        if answers:
            self.answers.setdefault(answers, []).append(said)
        self.tell(
            "forecast",
            {"group_id": said.group_id, "type": said.type, "blocks": len(said.forecasted_blocks), "answers": answers},
        )
        return Answer()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _said(status: int, message: str) -> Answer:
    return Answer(status=status, body=msgspec.json.encode(wire.Error(message=message)))
