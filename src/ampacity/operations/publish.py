"""The outbox's sender: at least once, in order per group and kind, no peer waits for another."""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from ampacity.operations.desk import Desk, address_of, backoff_s
from ampacity.peers.types import Address, OutboundForecast, Outcome

_FIRST_S, _LONGEST_S = 2.0, 300.0


@dataclass(slots=True)
class Sender:
    """Sends what waits; several processes may run one each on the same database."""

    desk: Desk
    sends_per_peer: int = 8
    most_attempts: int = 12
    lease_s: float = 60.0
    send_timeout_s: float = 20.0
    batch: int = 256
    owner: UUID = field(default_factory=uuid4)
    sent: int = 0
    _busy: set[int] = field(default_factory=set)
    _rests: dict[int, tuple[int, float]] = field(default_factory=dict)  # provider → failures in a row, until

    async def ready(self) -> list[int]:
        """Providers that something waits for, that are not being sent to and that did not just fail: now taken on."""
        waiting = await self.desk.outbox.waiting()
        taken = [no for no in waiting if no not in self._busy and not self._rests_now(no)]
        self._busy.update(taken)
        return taken

    async def send(self, provider_no: int) -> None:
        """Send a provider that was taken on all that waits for it."""
        try:
            await self.send_to(provider_no)
        finally:
            self._busy.discard(provider_no)

    def _rests_now(self, provider_no: int) -> bool:
        return self._rests.get(provider_no, (0, 0.0))[1] > time.monotonic()

    async def send_to(self, provider_no: int) -> None:
        """Send a provider all that waits for it, or stop at the first sign that it cannot be reached."""
        peer = await self.desk.peers.peer(provider_no)
        if peer is None or peer.base_url is None:
            return
        address = address_of(self.desk, peer)
        reached = True
        while reached:
            claimed = await self.desk.outbox.claim(provider_no, self.owner, limit=self.batch, lease_s=self.lease_s)
            if not claimed:
                return
            reached = await self._send_all(address, claimed)
        failures = self._rests.get(provider_no, (0, 0.0))[0] + 1
        self._rests[provider_no] = (failures, time.monotonic() + _wait_s(failures))

    async def _send_all(self, address: Address, claimed: list[OutboundForecast]) -> bool:
        """Send a batch over a few connections; what is not tried before the lease ends goes back."""
        last_start = time.monotonic() + self.lease_s - self.send_timeout_s - 5.0
        todo, done, back = deque(claimed), [], []
        reached = True

        async def work() -> None:
            nonlocal reached
            while todo:
                forecast = todo.popleft()
                if not reached or time.monotonic() > last_start:
                    back.append(forecast.message_id)
                    continue
                content_hash = await self._send_one(address, forecast)
                if isinstance(content_hash, bytes):
                    done.append((forecast.message_id, content_hash))
                else:
                    reached = reached and content_hash

        await asyncio.gather(*(work() for _ in range(min(self.sends_per_peer, len(claimed)))))
        if done:
            await self.desk.outbox.sent(self.owner, [d[0] for d in done], [d[1] for d in done])
            self.sent += len(done)
            self._rests.pop(claimed[0].group.provider_no, None)
        if back:
            await self.desk.outbox.release(self.owner, back)
        return reached

    async def _send_one(self, address: Address, forecast: OutboundForecast) -> bytes | bool:
        """Send one message: the hash of what was delivered, else whether the peer was reached."""
        content = self.desk.counterpart.encode(address, forecast)
        content_hash = hashlib.sha256(content).digest()
        delivery = await self.desk.counterpart.forecast(address, forecast, content)
        if delivery.outcome is Outcome.DELIVERED:
            return content_hash
        final = delivery.outcome is Outcome.REFUSED or forecast.attempts >= self.most_attempts
        again_in_s = None if final else _wait_s(forecast.attempts)
        await self.desk.outbox.failed(self.owner, forecast.message_id, again_in_s=again_in_s, error=delivery.detail)
        return delivery.reached


def _wait_s(failures: int) -> float:
    return backoff_s(failures, first_s=_FIRST_S, longest_s=_LONGEST_S, jitter=secrets.randbelow(1000) / 1000)
