"""How large the database is, and dropping what has grown old."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import asyncpg

from ampacity.store.pool import Connection, Pool
from ampacity.store.sql import sql
from ampacity.timegrid import quarter_at

_AT_ONCE = 64  # decisions in one transaction
_BLOCKS = ("prune_forecasts", "prune_headroom", "prune_allocations", "prune_away", "prune_ledger")
_ROWS_PER_FILE = 4096
_FIGURES = {
    "forecast_block": "forecasts_of_decisions",
    "headroom_block": "headrooms_of_decisions",
    "allocation_block": "capacities_of_decisions",
}
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


class Archive(Protocol):
    """Where what is dropped is kept."""

    def keep(self, table: str, part: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Rows of a table under a name of their own; they are safe when this returns."""
        ...


async def prune(
    pool: Pool, *, decisions: datetime, messages: datetime, series: datetime, archive: Archive | None = None
) -> Pruned:
    """Drop what was made before these moments: figures of decisions, messages done with, models, measurements.

    Decisions stay with their reasons' places in the chain; only their figures go, and that is noted.
    Measurements go by whole months.  With an archive, figures and measurements are there before they go.
    """
    dropped = 0
    while found := [r["decision_id"] for r in await pool.fetch(sql("decisions_to_prune"), decisions, _AT_ONCE)]:
        async with pool.acquire() as connection, connection.transaction():
            if archive is not None:
                await _keep_figures(connection, found, archive)
            for name in _BLOCKS:
                await connection.execute(sql(name), found)
            await connection.execute(sql("note_pruned"), found)
        dropped += len(found)
    return Pruned(
        decisions=dropped,
        messages=_count(await pool.execute(sql("prune_messages"), messages)),
        models=_count(await pool.execute(sql("prune_models"), decisions)),
        series_blocks=await _prune_series(pool, quarter_at(series), archive),
    )


async def _keep_figures(connection: Connection, decisions: list[int], archive: Archive) -> None:
    for table, query in _FIGURES.items():
        rows = await connection.fetch(sql(query), decisions)
        await asyncio.to_thread(archive.keep, table, f"{decisions[0]:012d}", rows)


async def _prune_series(pool: Pool, before_quarter: int, archive: Archive | None) -> int:
    """Drop the months that ended before a quarter, each in a transaction; gives how many blocks they held."""
    dropped = 0
    for month in await pool.fetch(sql("load_months_before"), before_quarter):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("hold_load_month"), month["month"])
            if archive is not None:
                await _keep_month(connection, month, archive)
            dropped += await connection.fetchval(sql("drop_load_month"), month["month"])
    return dropped


async def _keep_month(connection: Connection, month: asyncpg.Record, archive: Archive) -> None:
    part = after = 0
    where = month["first_quarter"], month["behind_quarter"]
    while rows := await connection.fetch(sql("loads_of_month"), *where, after, _ROWS_PER_FILE):
        await asyncio.to_thread(archive.keep, "load_block", f"{month['month']}-{part:05d}", rows)
        part, after = part + 1, rows[-1]["block_id"]


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
