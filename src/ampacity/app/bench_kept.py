"""A database that `ampacity bench cycle` keeps between its runs."""

from datetime import datetime, timedelta

from ampacity.errors import NotReady
from ampacity.store.cycle_bench import drop_figures
from ampacity.store.pool import connect
from ampacity.store.postgres import PostgresCycles

LAST_AFTER = timedelta(hours=12)  # that a kept database can be used: forecasts of the weather reach 48 h


async def last_slot(dsn: str, at: datetime) -> datetime | None:
    """The quarter hour that was decided last in a database that was kept.

    Raises:
        NotReady: what is known of the weather is used up.
    """
    pool = await connect(dsn, max_size=1)
    try:
        last = await PostgresCycles(pool).last_cycle()
        if last is None:
            return None
        if last.slot > at + LAST_AFTER:
            raise NotReady(f"the weather of this database is used up at {last.slot.isoformat()}: prepare another one")
        return last.slot
    finally:
        await pool.close()


async def tidy(dsn: str) -> None:
    """Drop the figures in a kept database that the next run does not need."""
    pool = await connect(dsn, max_size=1)
    try:
        await drop_figures(pool)
    finally:
        await pool.close()
