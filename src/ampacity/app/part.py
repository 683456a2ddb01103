"""One part of a server's work: `python -m ampacity.app.part`, started by `serve`, which it serves until that ends."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from ampacity.app.engine import open_engine
from ampacity.app.logs import log_to_stderr
from ampacity.app.memory import keep_freed
from ampacity.app.parts import FAILED, READY, WAKE, Order, Part
from ampacity.app.peering import Look, answers, build_peering, look_for_ever, messages, sessions
from ampacity.app.schedule import Schedule, log_cycle
from ampacity.app.secret import with_secret_key
from ampacity.app.session import Store
from ampacity.app.urgency import be_less_urgent
from ampacity.errors import AmpacityError
from ampacity.store.pool import connect

_CONNECTIONS = {  # each is a process of the database, which knows nothing of urgency: who can wait has few at work
    Part.CYCLES: 10, Part.DECISIONS: 5, Part.ANSWERS: 4, Part.SENDING: 3,
}  # fmt: skip
_LOOKS_REST = 4.0  # times as long as a look for messages took: they are not urgent, and many may wait for their time
_LAST_WORDS_S = 2.0  # then a calculation that is under way is left
_LESS_URGENT = {  # nice: who listens has a peer that waits
    Part.CYCLES: 7, Part.DECISIONS: 2, Part.ANSWERS: 1, Part.SENDING: 5,
}  # fmt: skip


def main() -> None:
    """Do what the first line of the standard input says until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for who started this, who closes the input then
    asyncio.run(_run())


async def _run() -> None:
    told = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    order = Order.of_line(await told.readline())
    log_to_stderr(logging.INFO)
    due = asyncio.Event()
    work = asyncio.create_task(_work(order, due))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    listening = asyncio.create_task(_listen(told, due))
    await asyncio.wait({work, listening}, return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not work.cancelled() and (failed := work.exception()):
        _say(FAILED + (str(failed) if isinstance(failed, AmpacityError) else repr(failed)))
    work.cancel()
    await asyncio.wait({work}, timeout=_LAST_WORDS_S)
    os._exit(0)  # threads that still calculate would be waited for


async def _listen(told: asyncio.StreamReader, due: asyncio.Event) -> None:
    while await told.readline():
        due.set()


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def _work(order: Order, due: asyncio.Event) -> None:
    pool = await connect(order.dsn, max_size=_CONNECTIONS[order.part])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        be_less_urgent(_LESS_URGENT[order.part])
        match order.part:
            case Part.CYCLES:
                keep_freed()
                engine = await stack.enter_async_context(open_engine(order.engine))
                work = _cycles(order, Store(pool, engine))
            case Part.DECISIONS:
                schedule = _schedule(order, Store(pool), due)
                await schedule.prepare_decisions()
                work = [schedule.run_decisions(), schedule.run_following()]
            case Part.ANSWERS:
                work = [_sending(order, Store(pool), due, [answers])]
            case Part.SENDING:
                work = [_sending(order, Store(pool), due, [sessions, messages], rest=_LOOKS_REST)]
        _say(READY)
        async with asyncio.TaskGroup() as group:  # which ends when all of them have ended
            for each in work:
                group.create_task(each)


def _schedule(order: Order, store: Store, due: asyncio.Event) -> Schedule:
    return Schedule(
        store=store, settings=order.settings, clock=order.clock, wake_sender=lambda: _say(WAKE), on_cycle=log_cycle,
        asked=due,
    )  # fmt: skip


def _cycles(order: Order, store: Store) -> list[Coroutine[Any, Any, None]]:
    from ampacity.app.gateway.files import watch  # noqa: PLC0415  # the other parts start sooner without pandas
    from ampacity.app.weather_intake import WeatherRounds  # noqa: PLC0415

    schedule = _schedule(order, store, asyncio.Event())
    work = [schedule.run_cycles(), schedule.run_learning(), WeatherRounds(store=store, settings=order.settings).run()]
    folder = order.settings.gateway.drop_folder
    return [*work, watch(Path(folder), grid=store.grid, clock=order.clock)] if folder else work


async def _sending(order: Order, store: Store, due: asyncio.Event, what: Sequence[Look], *, rest: float = 0.0) -> None:
    peering = build_peering(
        store.pool, with_secret_key(order.settings, os.environ), public_url=order.settings.server.base_url(),
        clock=order.clock, woken=due,
    )  # fmt: skip
    try:
        await look_for_ever(peering, what=what, rest=rest)
    finally:
        await peering.client.close()


if __name__ == "__main__":
    main()
