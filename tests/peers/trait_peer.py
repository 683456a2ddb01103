"""Scripted counterparts, each with the habits of an implementation that is in use."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from ampacity.simulation.listener import Answer, Heard, listening

PATH = "/oscp/fp/2.0"


@dataclass
class Traits:
    """How a counterpart behaves; the defaults are the protocol's own."""

    name: str
    starts: bool = False  # it starts the registration
    token_length: int = 43
    relative_reply_url: bool = False
    ack_path: str = "handshake_acknowledge"
    ack_body: dict = field(default_factory=lambda: {"required_behaviour": {"measurement_configuration": []}})
    ack_correlates: bool = True
    ack_interval: float | None = None
    flat_handshake: bool = False  # it reads (and writes) handshakes flat
    time_form: str = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)"
    heartbeat_form: str | None = None
    longest_token: int = 767
    longest_url: int = 2048
    bad_request: int = 400
    needs_request_id: bool = True
    heartbeat_time: str = "%Y-%m-%dT%H:%M:%S+00:00"
    hourly: bool = False
    capacity_type: type = float


@dataclass
class TraitPeer:
    """A running counterpart: what it got, what it refused and why."""

    traits: Traits
    cp_url: str
    url: str = ""
    token_in: str = field(default_factory=lambda: uuid4().hex)
    token_out: str = ""
    forecasts: list[dict] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tasks: set = field(default_factory=set)
    registered: bool = False

    async def call(self, message: str, body: dict, *, method: str = "POST", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.request(
                method, f"{self.cp_url}/{message}", json=body,
                headers={"Authorization": f"Token {self.token_out}", "X-Request-ID": str(uuid4()), **headers},
            )  # fmt: skip

    async def register(self, token: str) -> None:
        """Start the registration."""
        self.token_out = token
        answer = await self.call("register", self._register())
        assert answer.status_code == 204, answer.text

    def _register(self) -> dict:
        self.token_in = uuid4().hex.ljust(self.traits.token_length, "x")
        url = PATH if self.traits.relative_reply_url and not self.traits.starts else self.url
        return {"token": self.token_in, "version_url": [{"version": "2.0", "base_url": url}]}

    async def respond(self, heard: Heard) -> Answer:
        t = self.traits
        if heard.headers.get("authorization") != f"Token {self.token_in}":
            return Answer(status=403, body=b'{"message":"invalid token"}')
        try:
            return self._take(heard.path.removeprefix(PATH + "/"), heard, json.loads(heard.body or b"{}"))
        except (AssertionError, KeyError, TypeError) as why:
            self.refused.append(f"{heard.path}: {why!r} {heard.body[:300]!r}")
            status = 500 if t.name == "pyoscp" and heard.path.endswith("heartbeat") else t.bad_request
            return Answer(status=status, body=b'{"message":"invalid"}')

    def _take(self, message: str, heard: Heard, body: dict) -> Answer:
        t = self.traits
        assert not t.needs_request_id or heard.headers.get("x-request-id"), "no X-Request-ID"
        match message:
            case "register":
                return self._take_register(heard, body)
            case "handshake":
                demands = body if t.flat_handshake else body["required_behaviour"]
                assert isinstance(demands["measurement_configuration"], list)
                assert demands["heartbeat_interval"] >= 1
                return Answer(after=lambda: self.spawn(self._acknowledge(demands, heard.headers["x-request-id"])))
            case "heartbeat":
                form = t.heartbeat_form or t.time_form
                assert re.fullmatch(form, body["offline_mode_at"]), "not my form of a time"
                self.beats.append(body["offline_mode_at"])
                return Answer()
            case "update_group_capacity_forecast":
                self._check(body)
                self.forecasts.append({"correlation": heard.headers.get("x-correlation-id"), **body})
                return Answer()
        raise AssertionError(f"no such path: {message}")

    def _check(self, body: dict) -> None:
        for b in body["forecasted_blocks"]:
            assert isinstance(
                b["capacity"], self.traits.capacity_type | (int if self.traits.capacity_type is float else str)
            )
            start, end = (datetime.fromisoformat(b[k]) for k in ("start_time", "end_time"))
            for k in ("start_time", "end_time"):
                assert re.fullmatch(self.traits.time_form, b[k]), f"not my form of a time: {b[k]}"
            assert not self.traits.hourly or start.minute or end - start == timedelta(hours=1), "not an hour"

    def _take_register(self, heard: Heard, body: dict) -> Answer:
        t, url = self.traits, body["version_url"][0]
        assert url["version"] == "2.0"
        assert len(body["token"]) <= t.longest_token, "token too long"
        assert len(url["base_url"]) <= t.longest_url
        assert not url["base_url"].endswith("/")
        self.cp_url, self.token_out = url["base_url"], body["token"]
        if self.registered or t.starts:
            self.registered = True
            return Answer()
        self.registered = True
        return Answer(after=lambda: self.spawn(self._reply(heard.headers.get("x-request-id", ""))))

    async def _reply(self, answers: str) -> None:
        await asyncio.sleep(0.1)
        answer = await self.call("register", self._register())
        assert answer.status_code == 204, answer.text

    async def _acknowledge(self, demands: dict, answers: str) -> None:
        await asyncio.sleep(0.1)
        body = dict(self.traits.ack_body)
        if self.traits.ack_interval:
            inner = body if self.traits.flat_handshake else body.setdefault("required_behaviour", {})
            inner["heartbeat_interval"] = self.traits.ack_interval
        headers = {"X-Correlation-ID": answers} if self.traits.ack_correlates else {}
        answer = await self.call(self.traits.ack_path, body, **headers)
        assert answer.status_code == 204, answer.text
        ahead = datetime.now(UTC) + timedelta(seconds=2 * demands["heartbeat_interval"])
        if self.traits.heartbeat_time:
            answer = await self.call("heartbeat", {"offline_mode_at": ahead.strftime(self.traits.heartbeat_time)})
            assert answer.status_code == 204, answer.text

    def spawn(self, work) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)


@asynccontextmanager
async def trait_peer(traits: Traits, cp_url: str):
    """Run a counterpart; what failed in its own calls fails the test."""
    peer = TraitPeer(traits, cp_url)
    async with listening("127.0.0.1", 0, peer.respond) as port:
        peer.url = f"http://127.0.0.1:{port}{PATH}"
        yield peer
        for task in peer.tasks:
            if task.done():
                task.result()
            else:
                task.cancel()


SOLARNETWORK = Traits(
    name="solarnetwork", longest_token=64, longest_url=256, bad_request=422, ack_body={"required_behaviour": {}},
    time_form=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:\d\d)", ack_interval=60.0, token_length=64,
)  # fmt: skip
TAIPOWER = Traits(
    name="taipower", starts=True, token_length=256, relative_reply_url=True, hourly=True, heartbeat_time="",
    ack_body={"measurement_configuration": ["CONTINUOUS"]},
)  # fmt: skip
PYOSCP = Traits(
    name="pyoscp", ack_path="handshake_acknowledgment", ack_correlates=False, ack_body={"required_behaviour": {}},
    ack_interval=1.0, heartbeat_form=r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", heartbeat_time="%Y-%m-%d %H:%M:%S",
)  # fmt: skip
OSCP_SDK = Traits(
    name="oscp-sdk", starts=True, flat_handshake=True, ack_interval=1.0, capacity_type=str,
    ack_body={"measurement_configuration": ["CONTINUOUS"]},
)  # fmt: skip
ALL = (SOLARNETWORK, TAIPOWER, PYOSCP, OSCP_SDK)
