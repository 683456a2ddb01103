"""The outbox's sender: at least once, in order per group and kind, no peer waits for another."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from ampacity.network import ForecastKind
from ampacity.operations.desk import Desk, address_of, backoff_s
from ampacity.operations.together import Together
from ampacity.peers.types import Address, Delivery, OutboundForecast, Outcome, Peer

_FIRST_S, _LONGEST_S = 2.0, 300.0
_FEW = 128  # messages that are claimed for many providers together; who has more is seen to by itself
_PAGE = 64  # messages that are claimed of many, at the least
_PAGE_S = 0.5  # a page is as large as is sent in that time: what is in hand may hold up an answer
_MARK_S = 0.2  # what was sent is marked so often
_GATHER_S = 0.02  # what was sent to several is marked together


@dataclass(slots=True)
class Sender:
    """Sends what waits; several processes may run one each on the same database."""

    desk: Desk
    sends_per_peer: int = 8
    most_attempts: int = 12
    lease_s: float = 60.0
    send_timeout_s: float = 20.0
    batch: int = 1024
    answers_at_once: int = 4  # to a peer, beside what else it is sent
    owner: UUID = field(default_factory=uuid4)
    sent: int = 0
    _busy: set[int] = field(default_factory=set)
    _taken: dict[int, tuple[Peer, list[OutboundForecast] | None]] = field(default_factory=dict)  # with what was claimed
    _answers: dict[int, tuple[Peer, list[OutboundForecast]]] = field(default_factory=dict)  # likewise
    _answered: set[int] = field(default_factory=set)  # who is being sent answers
    _rests: dict[int, tuple[int, float]] = field(default_factory=dict)  # provider → failures in a row, until
    _marking: Together[Sequence[int], None] = field(init=False)

    def __post_init__(self) -> None:
        self._marking = Together(self._mark, gather_s=_GATHER_S)

    async def ready(self) -> list[int]:
        """Providers that something waits for, that are not being sent to and that did not just fail: now taken on.

        Where few messages wait they are claimed for all providers together.
        """
        waiting = await self.desk.outbox.waiting(_FEW)
        idle = {no: many for no, many in waiting.items() if no not in self._busy and not self._rests_now(no)}
        with_few = [no for no, many in idle.items() if not many]
        taken: dict[int, list[OutboundForecast] | None] = {no: None for no, many in idle.items() if many}
        if with_few:
            taken |= await self.desk.outbox.claim_few(with_few, self.owner, each=_FEW, lease_s=self.lease_s)
        peers = await self.desk.peers.peers_of(list(taken)) if taken else {}
        self._taken.update({no: (peers[no], claimed) for no, claimed in taken.items()})
        self._busy.update(taken)
        return list(taken)

    async def send(self, provider_no: int) -> bool:
        """Send a provider that was taken on all that waits for it; gives whether it was reached.

        Where few messages wait, what comes after them is found at the next look.
        """
        try:
            peer, claimed = self._taken.pop(provider_no)
            return await self._send_to(peer, claimed)
        finally:
            self._busy.discard(provider_no)

    async def ready_answers(self) -> list[int]:
        """Providers that an answer to a request waits for: it does not wait for what else is sent, nor to be marked."""
        waiting = await self.desk.outbox.waiting_for_answers()
        free = [no for no in waiting if no not in self._answered and not self._rests_now(no)]
        if not free:
            return []
        few = await self.desk.outbox.claim_answers(free, self.owner, each=_FEW, lease_s=self.lease_s)
        peers = await self.desk.peers.peers_of(list(few)) if few else {}
        self._answers.update({no: (peers[no], claimed) for no, claimed in few.items()})
        self._answered.update(few)
        return list(few)

    async def send_answers(self, provider_no: int) -> bool:
        """Send a provider the answers that were taken on; gives whether it was reached."""
        try:
            peer, claimed = self._answers.pop(provider_no)
            return await self._send_or_rest(peer, claimed, self.answers_at_once)
        finally:
            self._answered.discard(provider_no)

    def _rests_now(self, provider_no: int) -> bool:
        return self._rests.get(provider_no, (0, 0.0))[1] > time.monotonic()

    async def _send_to(self, peer: Peer, claimed: list[OutboundForecast] | None) -> bool:
        """Send a provider the few messages claimed, or page by page; stop as soon as it cannot be reached."""
        if claimed is not None:
            return await self._send_or_rest(peer, claimed, self.sends_per_peer)
        last, page = -1, min(_PAGE, self.batch)
        while True:
            found, claimed = await self.desk.outbox.claim(
                peer.provider_no, self.owner, behind=last, limit=page, lease_s=self.lease_s
            )
            if found is None:
                return True
            begun = time.monotonic()
            if not await self._send_or_rest(peer, claimed, self.sends_per_peer):
                return False
            in_time = len(claimed) * _PAGE_S / max(time.monotonic() - begun, 1e-3) if claimed else 2 * page
            last, page = found, min(max(int(in_time), _PAGE), self.batch)

    async def _send_or_rest(self, peer: Peer, claimed: list[OutboundForecast], at_once: int) -> bool:
        provider_no = peer.provider_no
        reached = await self._send_all(provider_no, address_of(self.desk, peer), claimed, at_once)
        if not reached:
            failures = self._rests.get(provider_no, (0, 0.0))[0] + 1
            self._rests[provider_no] = (failures, time.monotonic() + _wait_s(failures))
        return reached

    async def _mark(self, sent: Sequence[Sequence[int]]) -> list[None]:
        await self.desk.outbox.sent(self.owner, [message_id for each in sent for message_id in each])
        return [None] * len(sent)

    async def _send_all(
        self, provider_no: int, address: Address, claimed: list[OutboundForecast], at_once: int
    ) -> bool:
        """Send a batch over a few connections; what is not tried before the lease ends goes back."""
        batch = _Batch(claimed, send=partial(self._send_one, address), mark=partial(self._note_sent, provider_no))
        await batch.work_off(at_once, last_start=time.monotonic() + 0.9 * self.lease_s - self.send_timeout_s)
        if batch.back:
            await self.desk.outbox.release(self.owner, batch.back)
        return batch.reached

    async def _note_sent(self, provider_no: int, message_ids: Sequence[int]) -> None:
        await self._marking.ask(message_ids)
        self.sent += len(message_ids)
        self._rests.pop(provider_no, None)

    async def _send_one(self, address: Address, forecast: OutboundForecast) -> Delivery | None:
        """Send one message; None: the peer does not want it."""
        unwanted = await self._unwanted(address, forecast)
        if unwanted:
            await self.desk.outbox.left_out(self.owner, forecast.message_id, unwanted)
            return None
        delivery = await self.desk.counterpart.forecast(address, forecast)
        if delivery.outcome is not Outcome.DELIVERED:
            final = delivery.outcome is Outcome.REFUSED or forecast.attempts >= self.most_attempts
            again_in_s = None if final else _wait_s(forecast.attempts)
            await self.desk.outbox.failed(self.owner, forecast.message_id, again_in_s=again_in_s, error=delivery.detail)
        return delivery

    async def _unwanted(self, address: Address, forecast: OutboundForecast) -> str:
        """Why a peer does not want a message; empty: it does."""
        if self.desk.counterpart.keeps_silent(address, forecast):
            return "the peer wants no word of a refusal"
        if forecast.correlation_id is None and self.desk.counterpart.wants_changes_only(address):
            last = await self.desk.outbox.last_sent(forecast.group.group_no, forecast.kind)
            if last is not None and self.desk.counterpart.says_the_same(address, forecast, last):
                return "unchanged: the peer wants changes only"
        return ""


class _Batch:
    """Messages to one provider: those of a group and kind one after the other, different ones side by side."""

    def __init__(
        self,
        claimed: Sequence[OutboundForecast],
        *,
        send: Callable[[OutboundForecast], Awaitable[Delivery | None]],
        mark: Callable[[Sequence[int]], Awaitable[None]],
    ) -> None:
        """`send` gives None where a message is not wanted; `mark` notes the ids of what was sent."""
        self._send, self._mark = send, mark
        self._todo = deque(_in_turn(claimed))
        self._sent: list[int] = []  # and not marked yet
        self._mark_at = 0.0
        self.back: list[int] = []  # what was not tried
        self.reached = True

    async def work_off(self, at_once: int, last_start: float) -> None:
        """Send over so many connections; nothing is begun after a time, or when the peer was not reached."""
        self._mark_at = time.monotonic() + _MARK_S
        await asyncio.gather(*(self._work(last_start) for _ in range(min(at_once, len(self._todo)))))
        if self._sent:
            await self._mark_sent()

    async def _work(self, last_start: float) -> None:
        while self._todo:
            forecast = self._todo[0].popleft()
            chain = self._todo.popleft()
            if not self.reached or time.monotonic() > last_start:
                self._give_back([forecast, *chain])
                continue
            delivery = await self._send(forecast)
            outcome = None if delivery is None else delivery.outcome
            self.reached = self.reached and (delivery is None or delivery.reached)
            if outcome is Outcome.DELIVERED:
                self._sent.append(forecast.message_id)
                # Who dies before it is marked sends it again, which must not be behind a newer one of its group.
                if chain or time.monotonic() > self._mark_at:
                    await self._mark_sent()
            if outcome is Outcome.FAILED:  # what comes behind it waits until it is tried again
                self._give_back(chain)
            elif chain:
                self._todo.append(chain)

    async def _mark_sent(self) -> None:
        sent, self._sent = self._sent, []
        self._mark_at = time.monotonic() + _MARK_S
        await self._mark(sent)

    def _give_back(self, forecasts: Iterable[OutboundForecast]) -> None:
        self.back.extend(forecast.message_id for forecast in forecasts)


def _in_turn(claimed: Sequence[OutboundForecast]) -> list[deque[OutboundForecast]]:
    """What is to be sent one after the other: the messages of each group and kind."""
    chains: dict[tuple[int, ForecastKind], deque[OutboundForecast]] = {}
    for forecast in claimed:
        chains.setdefault((forecast.group.group_no, forecast.kind), deque()).append(forecast)
    return list(chains.values())


def _wait_s(failures: int) -> float:
    return backoff_s(failures, first_s=_FIRST_S, longest_s=_LONGEST_S, jitter=secrets.randbelow(1000) / 1000)
