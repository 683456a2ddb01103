"""How servers share the blocks of one cycle, and what is to be done beside the cycles."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol
from uuid import UUID


class BlockWork(IntEnum):
    """What servers do beside the cycles, block by block."""

    LEARNING = 1
    BASES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCycle:
    """A cycle under way whose blocks others may take."""

    holder: UUID  # who decides it
    plan: bytes  # a digest of what its forecasts rest on


class CycleSharing(Protocol):
    """Blocks of elements that a cycle lacks a forecast of; each is known by the number of its first element.

    Who decides the cycle takes them from the first on, others from the last on.
    """

    async def offer(self, slot: datetime, holder: UUID, plan: bytes, blocks: Sequence[int]) -> None:
        """Lay the blocks of a claimed slot out."""
        ...

    async def take_own(self, holder: UUID) -> int | None:
        """Who decides takes a block that nobody works on, or whose taker's lease has ended; None: there is none."""
        ...

    async def handed_in(self, holder: UUID, most: int) -> list[tuple[int, bytes]]:
        """Results of others, each given once."""
        ...

    async def left(self, holder: UUID) -> int:
        """How many blocks are laid out, those that others work on among them."""
        ...

    async def drop(self, holder: UUID) -> None:
        """Nothing is to be taken any more."""
        ...

    async def offered(self, slot: datetime) -> OfferedCycle | None:
        """The cycle of a slot, while there is something to take from it."""
        ...

    async def take(self, holder: UUID, taker: UUID, lease: timedelta) -> int | None:
        """Another server takes a block; None: there is none, or the cycle is decided or given up."""
        ...

    async def renew(self, holder: UUID, taker: UUID, lease: timedelta) -> None:
        """Hold what was taken for longer."""
        ...

    async def hand_in(self, holder: UUID, taker: UUID, first_no: int, result: bytes) -> bool:
        """Hand a result in; false: somebody else has taken the block on meanwhile."""
        ...

    async def give_back(self, holder: UUID, taker: UUID) -> None:
        """What was taken and not handed in may be taken by others."""
        ...

    def alone(self, work: BlockWork) -> AbstractAsyncContextManager["BlockLocks"]:
        """Do a kind of work on blocks, each while no other server does; all are free at the end.

        A server that dies lets go of its blocks.
        """
        ...


class BlockLocks(Protocol):
    """The blocks that a server holds for a kind of work."""

    async def take(self, first_no: int) -> bool:
        """Hold a block; false: another server does just now."""
        ...

    async def free(self, first_no: int) -> None:
        """Hold it no longer."""
        ...
