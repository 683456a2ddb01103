"""The providers of the demonstration: processes of their own, which speak OSCP with the server and nothing else.

What they tell about themselves comes as JSON lines; what they are to ask for goes to them the same way.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from ampacity.app.peers_command import Invitation
from ampacity.errors import Unreachable

_END_S = 5.0


@dataclass
class ProviderProcess:
    """One provider, and what it told."""

    provider_id: str
    process: asyncio.subprocess.Process
    groups: tuple[str, ...]
    forecasts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by group and kind
    answered: set[str] = field(default_factory=set)  # ids of its requests whose answer it got
    asked: dict[str, str] = field(default_factory=dict)  # group → id of its newest request
    load_w: dict[str, float] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)  # messages it got
    sent: Counter[str] = field(default_factory=Counter)  # messages it delivered
    errors: list[str] = field(default_factory=list)

    def ask(self, group_id: str, capacity_w: float, *, start: datetime, quarters: int) -> None:
        """Let it send an AdjustGroupCapacityForecast for a total."""
        line = {"group_id": group_id, "capacity_w": capacity_w, "start": start, "quarters": quarters}
        assert self.process.stdin is not None
        self.asked.pop(group_id, None)
        self.process.stdin.write(msgspec.json.encode(line) + b"\n")

    def check(self) -> None:
        """See that it still runs.

        Raises:
            Unreachable: it ended.
        """
        code = self.process.returncode
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            said = f": {self.errors[-1]}" if self.errors else ""
            raise Unreachable(f"the process of provider {self.provider_id} {how}{said}")

    def take(self, line: bytes) -> None:
        """Note an event that it told."""
        told = msgspec.json.decode(line, type=dict[str, object])
        match told.get("event"):
            case "forecast":
                self.forecasts[(str(told["group_id"]), str(told["type"]))] += 1
                if told.get("answers"):
                    self.answered.add(str(told["answers"]))
            case "asked":
                self.asked[str(told["group_id"])] = str(told["id"])
            case "charged":
                load_w = told["load_w"]
                assert isinstance(load_w, list)
                self.load_w[str(told["group_id"])] = float(sum(load_w))
            case "got":
                self.heard[str(told["message"])] += 1
            case "sent" if told.get("outcome") == "delivered":
                self.sent[str(told["message"])] += 1


@asynccontextmanager
async def provider_process(
    invitation: Invitation, groups: Sequence[str], *, at: datetime, speed: float, asks: bool
) -> AsyncIterator[ProviderProcess]:
    """Start a provider with its invitation; it is ended with the block."""
    command = [
        sys.executable, "-m", "ampacity", "simulate-provider", "--base-url", invitation.base_url, "--at",
        at.isoformat(), "--speed", str(speed), "--heartbeat", "2", "--script", "-", "--token-from-stdin",
        "--cars", "40", "--asks" if asks else "--no-asks",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; it ends when its input does
    )
    assert process.stdin is not None
    process.stdin.write(invitation.token.encode() + b"\n")
    provider = ProviderProcess(invitation.provider_id, process, tuple(groups))
    listening = asyncio.gather(_listen(provider), _complaints(provider))
    try:
        yield provider
    finally:
        await _end(process)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(provider: ProviderProcess) -> None:
    assert provider.process.stdout is not None
    async for line in provider.process.stdout:
        provider.take(line)


async def _complaints(provider: ProviderProcess) -> None:
    assert provider.process.stderr is not None
    async for line in provider.process.stderr:
        provider.errors.append(line.decode(errors="replace").rstrip())


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
