"""What many ask for at the same time is asked at once, and nobody gets another's answer."""

import asyncio

import pytest

from ampacity.operations.together import Together


class Counter:
    """Answers a number with its double, and remembers what was asked together."""

    def __init__(self):
        self.asked = []

    async def answer(self, numbers):
        self.asked.append(list(numbers))
        await asyncio.sleep(0.01)
        if any(n < 0 for n in numbers):
            raise ValueError("negative")
        return [2 * n for n in numbers]


async def test_what_comes_while_one_is_answered_is_asked_together():
    counter = Counter()
    together = Together(counter.answer)

    first = asyncio.create_task(together.ask(1))
    await asyncio.sleep(0.002)
    others = await asyncio.gather(*(together.ask(n) for n in (2, 3, 4)))

    assert (await first, others) == (2, [4, 6, 8])
    assert counter.asked == [[1], [2, 3, 4]]


async def test_no_more_than_so_many_are_asked_at_once():
    counter = Counter()
    together = Together(counter.answer, most=2)

    assert await asyncio.gather(*(together.ask(n) for n in range(5))) == [0, 2, 4, 6, 8]

    assert counter.asked == [[0, 1], [2, 3], [4]]


async def test_what_fails_harms_no_other():
    counter = Counter()
    together = Together(counter.answer)

    found = await asyncio.gather(*(together.ask(n) for n in (1, -1, 3)), return_exceptions=True)

    assert found[0] == 2
    assert isinstance(found[1], ValueError)
    assert found[2] == 6
    assert counter.asked == [[1, -1, 3], [1], [-1], [3]]


async def test_what_shares_something_is_asked_one_after_the_other_in_its_order():
    counter = Counter()
    together = Together(counter.answer, apart=lambda n: (n % 3,))

    assert await asyncio.gather(*(together.ask(n) for n in (1, 11, 2, 4, 12))) == [2, 22, 4, 8, 24]

    assert counter.asked == [[1, 11, 12], [2, 4]]


async def test_who_goes_away_holds_nobody_up():
    counter = Counter()
    together = Together(counter.answer)
    gone = asyncio.create_task(together.ask(1))
    stays = asyncio.create_task(together.ask(2))
    await asyncio.sleep(0.002)

    gone.cancel()

    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_one_alone_does_not_wait_for_others_but_the_next_ones_do():
    counter = Counter()
    together = Together(counter.answer, gather_s=0.5)
    begun = asyncio.get_running_loop().time()

    await together.ask(1)
    alone_s = asyncio.get_running_loop().time() - begun
    await asyncio.gather(together.ask(2), together.ask(3))
    all_s = asyncio.get_running_loop().time() - begun

    assert alone_s < 0.5 <= all_s + 0.01
    assert counter.asked == [[1], [2, 3]]
