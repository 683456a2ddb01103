"""What many ask for at the same time is done at once: one statement, one commit, for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Gathers questions while an answer is under way, and asks them together in the next one.

    A question that comes alone is asked at once; one that comes within `gather_s` of the last asking waits for the
    rest of that time, for others to join it.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        gather_s: float = 0.0,
        most: int = 500,
        apart: Callable[[Q], Sequence[Hashable]] = lambda _: (),
    ) -> None:
        """`answer` gives an answer for each question, in their order.

        Args:
            answer: Asked again with each of them alone where it fails.
            gather_s: The least time between two askings.
            most: So many at once.
            apart: Two questions that share any of this are never asked together, but in their order.
        """
        self._answer, self._gather_s, self._most, self._apart = answer, gather_s, most, apart
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._work: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")

    async def ask(self, question: Q) -> A:
        """The answer to a question."""
        given: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, given))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._ask_on())
        return await given

    async def _ask_on(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(max(0.0, self._asked_at + self._gather_s - loop.time()))
            self._asked_at = loop.time()
            asked = self._next()
            if not await self._ask(asked) and len(asked) > 1:
                for alone in asked:  # whatever is wrong with one of them shall harm no other
                    await self._ask([alone])

    async def _ask(self, asked: "Sequence[tuple[Q, asyncio.Future[A]]]") -> bool:
        try:
            answers = await self._answer([q for q, _ in asked])
        except Exception as failed:  # noqa: BLE001
            # A supervisor of many callers: each of them gets the error of its own question.
            if len(asked) == 1 and not asked[0][1].done():
                asked[0][1].set_exception(failed)
            return False
        for (_, given), found in zip(asked, answers, strict=True):
            if not given.done():  # else who asked has gone
                given.set_result(found)
        return True

    def _next(self) -> "list[tuple[Q, asyncio.Future[A]]]":
        """The first questions that may be asked together; what shares anything with one before it waits."""
        taken: list[tuple[Q, asyncio.Future[A]]] = []
        left: list[tuple[Q, asyncio.Future[A]]] = []
        seen: set[Hashable] = set()
        for question, given in self._waiting:
            if given.done():
                continue
            own = self._apart(question)
            free = len(taken) < self._most and seen.isdisjoint(own)
            (taken if free else left).append((question, given))
            seen.update(own)
        self._waiting = left
        return taken
