"""Several do the same kind of work side by side until nothing is left of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def side_by_side(at_once: int, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run `work` so many times at once; gives the sum of what each did.

    Where one fails the others are left, and its error is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(work()) for _ in range(at_once)]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return sum(each.result() for each in working)
