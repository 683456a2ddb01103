"""How large the database is, and dropping what has grown old."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import asyncpg

from ampacity.store.partitions import OldPartition, drop, old_partitions
from ampacity.store.pool import Connection, Pool
from ampacity.store.sql import sql
from ampacity.timegrid import quarter_at

_AT_ONCE = 64  # decisions in one file
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
    partitions: int  # 0: it is a table in one


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
    tables = (
        TableSize(
            name=r["table_name"], mib=r["bytes"] / 2**20, about_rows=r["about_rows"], partitions=r["partitions"]
        )
        for r in rows
    )  # fmt: skip
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
    Figures go by whole partitions, as soon as all that was decided then is old; measurements go by whole months.
    With an archive, both are there before they go.
    """
    dropped = 0
    for old in await old_partitions(pool, decisions):
        if archive is not None:
            await _keep_partition(pool, old, archive)
        dropped += await drop(pool, old)
    return Pruned(
        decisions=dropped,
        messages=_count(await pool.execute(sql("prune_messages"), messages)),
        models=_count(await pool.execute(sql("prune_models"), decisions)),
        series_blocks=await _prune_series(pool, quarter_at(series), archive),
    )


async def _keep_partition(pool: Pool, old: OldPartition, archive: Archive) -> None:
    """Keep the figures of a partition; nothing is added to it any more."""
    after = old.first_id - 1
    while rows := await pool.fetch(sql("decisions_of_partition"), old.first_id, old.behind_id, after, _AT_ONCE):
        found = [r["decision_id"] for r in rows]
        after = found[-1]
        for table, query in _FIGURES.items():
            figures = await pool.fetch(sql(query), found)
            await asyncio.to_thread(archive.keep, table, f"{found[0]:012d}", figures)


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
