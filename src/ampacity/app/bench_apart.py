"""Work of a benchmark in a process of its own, whose memory is that work's alone."""

import asyncio
import multiprocessing
from collections.abc import Callable
from typing import Any

from ampacity.app.memory import keep_freed
from ampacity.errors import NotReady


def apart(work: Callable[..., Any], *args: object) -> Any:
    """What `work`, a function of a module that gives a coroutine, comes to.

    Raises:
        NotReady: the process ended before it was done.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, *args))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError as died:
        raise NotReady("the process that did the work ended before it was done") from died
    finally:
        process.join()


def _answer(sender: "multiprocessing.connection.Connection", work: Callable[..., Any], *args: object) -> None:
    keep_freed()  # as the part of a server does that decides cycles
    sender.send(asyncio.run(work(*args)))
