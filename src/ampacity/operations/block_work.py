"""What servers do beside the cycles on block after block: a few at a time, each block by one server."""

from collections.abc import Awaitable, Callable, Iterable

from ampacity.operations.side_by_side import side_by_side
from ampacity.ports import BlockLocks


async def work_through(
    blocks: Iterable[range], at_once: int, locks: BlockLocks, work: Callable[[range], Awaitable[bool]]
) -> int:
    """Do what is to be done on each block that no other server works on; gives on how many elements it was.

    `work` tells whether there was still something to do.  Where it fails on a block, the others are left and its
    error is raised.
    """
    waiting = iter(blocks)

    async def on_some() -> int:
        done = 0
        for block in waiting:
            if await locks.take(block.start):
                try:
                    done += len(block) if await work(block) else 0
                finally:
                    await locks.free(block.start)
        return done

    return await side_by_side(at_once, on_some)
