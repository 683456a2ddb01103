"""How large the database is, and dropping what has grown old."""

from dataclasses import dataclass
from datetime import datetime

from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import quarter_at

_AT_ONCE = 64  # decisions in one transaction
_BLOCKS = ("prune_forecasts", "prune_headroom", "prune_allocations", "prune_away", "prune_ledger")
_SOURCES = ("forecast_block", "headroom_block", "allocation_block", "outbound_forecast", "load_block")


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """A table with its indexes."""

    name: str
    mib: float
    about_rows: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What there is, and what a day adds by table [MiB], from the last day's own rows; empty without a cycle."""

    tables: tuple[TableSize, ...]
    mib_a_day: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was dropped."""

    decisions: int
    messages: int
    models: int
    series_blocks: int


async def sizes(pool: Pool) -> Sizes:
    """Sizes as the server counts them; growth from the packed values of the last day, scaled to 24 h."""
    rows = await pool.fetch(sql("table_sizes"))
    tables = (TableSize(name=r["table_name"], mib=r["bytes"] / 2**20, about_rows=r["about_rows"]) for r in rows)
    last = await pool.fetchrow(sql("bytes_of_last_day"))
    if not last["decisions"]:
        return Sizes(tables=tuple(tables), mib_a_day={})
    quarters = max(last["days"] * 96 + 1, 1.0)  # the first decision took a quarter too
    growth = {name: last[name] / 2**20 * 96 / quarters for name in _SOURCES[:-1]}
    return Sizes(tables=tuple(tables), mib_a_day={**growth, "load_block": last["load_block"] / 2**20})


async def prune(pool: Pool, *, decisions: datetime, messages: datetime, series: datetime) -> Pruned:
    """Drop what was made before these moments: figures of decisions, messages done with, models, measurements.

    Decisions stay with their reasons' places in the chain; only their figures go, and that is noted.
    """
    dropped = 0
    while found := [r["decision_id"] for r in await pool.fetch(sql("decisions_to_prune"), decisions, _AT_ONCE)]:
        async with pool.acquire() as connection, connection.transaction():
            for name in _BLOCKS:
                await connection.execute(sql(name), found)
            await connection.execute(sql("note_pruned"), found)
        dropped += len(found)
    return Pruned(
        decisions=dropped,
        messages=_count(await pool.execute(sql("prune_messages"), messages)),
        models=_count(await pool.execute(sql("prune_models"), decisions)),
        series_blocks=_count(await pool.execute(sql("prune_series"), quarter_at(series))),
    )


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
