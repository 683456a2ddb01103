"""Reports of use come in: many requests to one commit, each answered when it is durable."""

import asyncio
from collections import deque
from collections.abc import Sequence

from ampacity.errors import AmpacityError, Conflict, NotFound, NotReady, Refused
from ampacity.peers.types import UsageMessage, Verdict
from ampacity.ports import Clock, UsageIntake

_MOST_WAITING = 20_000


class UsageDesk:
    """Collects reports while a commit is under way, and records them together with the next one."""

    def __init__(self, intake: UsageIntake, clock: Clock, *, batch: int = 500) -> None:
        self._intake = intake
        self._clock = clock
        self._batch = batch
        self._waiting: deque[tuple[UsageMessage, asyncio.Future[Verdict]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def take(self, message: UsageMessage) -> None:
        """Record a report; durable when this returns.

        Raises:
            Refused, NotReady, NotFound, Conflict: as its verdict says.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise NotReady("too many reports are waiting")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._record())
        refuse(await answer)

    async def _record(self) -> None:
        while self._waiting:
            taken = self._next()
            if not await self._commit(taken) and len(taken) > 1:
                for alone in taken:  # whatever is wrong with one of them shall harm no other
                    await self._commit([alone])

    async def _commit(self, taken: Sequence[tuple[UsageMessage, "asyncio.Future[Verdict]"]]) -> bool:
        """Record messages in one commit and answer them; one that fails alone gets its error."""
        try:
            verdicts = await self._intake.add_messages([m for m, _ in taken], self._clock())
        except Exception as failed:  # noqa: BLE001
            # A supervisor of many callers: each of them gets the error of its own message.
            if len(taken) == 1:
                _answer(taken[0][1], failed)
            return False
        for (_, answer), verdict in zip(taken, verdicts, strict=True):
            _answer(answer, verdict)
        return True

    def _next(self) -> list[tuple[UsageMessage, "asyncio.Future[Verdict]"]]:
        """The next batch; a second message of the same id waits for the first one's fate."""
        taken: list[tuple[UsageMessage, asyncio.Future[Verdict]]] = []
        ids: set[tuple[bytes, str]] = set()
        while self._waiting and len(taken) < self._batch:
            message = self._waiting[0][0]
            if (message.token_hash, message.request_id) in ids:
                break
            ids.add((message.token_hash, message.request_id))
            taken.append(self._waiting.popleft())
        return taken


def _answer(answer: "asyncio.Future[Verdict]", what: Verdict | Exception) -> None:
    if answer.done():  # its caller has gone
        return
    if isinstance(what, Exception):
        answer.set_exception(what)
    else:
        answer.set_result(what)


def refuse(verdict: Verdict) -> None:
    """Raise what a verdict means, if it is bad news."""
    errors: dict[Verdict, AmpacityError] = {
        Verdict.NOBODY: Refused("the token is not good"),
        Verdict.TOO_EARLY: NotReady("register first"),
        Verdict.NO_GROUP: NotFound("there is no such group"),
        Verdict.CONTRADICTS: Conflict("a message with this id came before with other content"),
    }
    if verdict in errors:
        raise errors[verdict]
