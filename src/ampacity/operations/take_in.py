"""Take an input into the store."""

from datetime import datetime

from ampacity.ports import GridStore, Imported, Input


async def take_in(given: Input, *, grid: GridStore, now: datetime) -> Imported:
    """Store a checked input, all of it or nothing.

    A measurement counts as known when its interval had ended, so that recorded data can be
    worked through as if they came in live; one that corrects a stored value counts from now on.
    """
    return await grid.take_in(given, corrected_at=now)
