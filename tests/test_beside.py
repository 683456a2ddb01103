"""Waiting for a word of others, or for a while: whoever is told to end meanwhile ends."""

import asyncio

import pytest

from ampacity.app.beside import set_or_after


@pytest.mark.parametrize("turns", range(6))
async def test_a_loop_ends_whenever_it_is_told_to_though_it_is_woken_just_then(turns):
    woken = asyncio.Event()

    async def look_on() -> None:
        while True:
            woken.clear()
            await set_or_after(woken, 60)

    looking = asyncio.create_task(look_on())
    await asyncio.sleep(0.01)  # it waits
    woken.set()
    for _ in range(turns):
        await asyncio.sleep(0)  # and is woken this far
    looking.cancel()
    await asyncio.wait({looking}, timeout=2)

    assert looking.cancelled()


async def test_it_waits_for_the_event_and_no_longer_than_so_long():
    woken, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.call_later(0.05, woken.set)
    begun = loop.time()
    await set_or_after(woken, 60)
    assert 0.04 < loop.time() - begun < 30

    woken.clear()
    begun = loop.time()
    await set_or_after(woken, 0.1)
    assert loop.time() - begun >= 0.09
