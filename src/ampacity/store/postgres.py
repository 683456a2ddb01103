"""The ports on PostgreSQL: each call takes a connection of the pool for itself."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from ampacity.forecasting import Weather, WeatherRows
from ampacity.network import ForecastKind, Network
from ampacity.people import LimitChange
from ampacity.ports import (
    NOTHING_TOLD,
    BaseStore,
    CapacityTable,
    CycleRecord,
    CycleSharing,
    DecidedSince,
    ExtremesStore,
    Floats,
    GridVersion,
    Imported,
    Input,
    Ints,
    JsonObject,
    KeptModel,
    Series,
    Subject,
)
from ampacity.store import grid, series, taking_in
from ampacity.store.bases import PostgresBases
from ampacity.store.decisions import PostgresDecision, lay_capacities, open_cycle_decision
from ampacity.store.extremes import PostgresExtremes
from ampacity.store.limits import limits_known_at
from ampacity.store.partitions import begin_period
from ampacity.store.pool import Pool
from ampacity.store.sharing import PostgresSharing
from ampacity.store.sql import sql
from ampacity.store.weather import read_weather
from ampacity.timegrid import Window


class PostgresGrid:
    """The grid and its series."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: tuple[tuple[int, ...], Network] | None = None

    async def take_in(self, given: Input, corrected_at: datetime) -> Imported:
        async with self._pool.acquire() as connection:
            return await taking_in.take_in(connection, given, corrected_at)

    async def take_in_loads(self, subject: Subject, series: Series, known_at: datetime) -> tuple[int, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            return await taking_in.take_in_loads(connection, subject, series, known_at)

    async def measure(
        self, subject: Subject, first_no: int, window: Window, load_w: Floats, known_at: datetime
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await series.write_load(connection, subject, first_no, window, load_w, known_at)

    async def network(self) -> Network:
        """The grid as it is now; kept until it changes."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            state = tuple(await connection.fetchrow(sql("grid_state")))
            if self._known is None or self._known[0] != state:
                self._known = state, await grid.read_network(connection)
            return self._known[1]

    async def limit_changes(self, window: Window, known_at: datetime) -> Sequence[LimitChange]:
        return await limits_known_at(self._pool, window, known_at)

    async def version(self) -> GridVersion:
        return GridVersion(**await self._pool.fetchrow(sql("grid_version")))

    async def loads(self, subject: Subject, numbers: range, window: Window, known_at: datetime) -> Floats:
        async with self._pool.acquire() as connection:
            return await series.read_load(connection, subject, numbers, window, known_at)

    async def load_span(self, subject: Subject = "element") -> Window | None:
        async with self._pool.acquire() as connection:
            return await series.load_span(connection, subject)

    async def take_in_weather(self, rows: WeatherRows) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            return await taking_in.take_in_weather(connection, rows)

    async def weather(self, window: Window, known_at: datetime) -> Weather:
        async with self._pool.acquire() as connection:
            return await read_weather(connection, window, known_at)


class PostgresCycles:
    """Slots, decisions and models."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.daily: BaseStore = PostgresBases(pool)
        self.extremes: ExtremesStore = PostgresExtremes(pool)
        self.sharing: CycleSharing = PostgresSharing(pool)

    async def claim_cycle(self, slot: datetime, holder: UUID, lease: timedelta) -> bool:
        return await self._pool.fetchval(sql("claim_cycle"), slot, holder, lease) is not None

    async def release_cycle(self, slot: datetime, holder: UUID) -> None:
        await self._pool.execute(sql("release_cycle"), slot, holder)

    async def decided_cycle(self, slot: datetime) -> CycleRecord | None:
        row = await self._pool.fetchrow(sql("decision_summary"), slot)
        return None if row is None else CycleRecord(**row)

    async def last_cycle(self) -> CycleRecord | None:
        row = await self._pool.fetchrow(sql("last_cycle"))
        return None if row is None else CycleRecord(**row)

    @asynccontextmanager
    async def decide_cycle(
        self, slot: datetime, holder: UUID, made_at: datetime, settings: JsonObject
    ) -> AsyncIterator[PostgresDecision]:
        await begin_period(self._pool, made_at)
        async with (
            self._pool.acquire() as connection,
            open_cycle_decision(connection, slot, holder, made_at, settings) as decision,
        ):
            yield decision

    async def newest_capacities(
        self, groups: int, made_before: datetime, kinds: Collection[ForecastKind] = tuple(ForecastKind)
    ) -> Mapping[ForecastKind, CapacityTable]:
        tables: dict[ForecastKind, CapacityTable] = {}
        names, numbers = [kind.value for kind in kinds], np.arange(groups)
        async with self._pool.acquire() as connection, connection.transaction():
            query = sql("newest_allocation_blocks")
            blocks = connection.cursor(query, made_before, None, names, None, None, prefetch=8)
            async for block in blocks:
                lay_capacities(block, numbers, tables)
        return tables

    async def fallback_made_at(self, before: datetime) -> datetime | None:
        made_at: datetime | None = await self._pool.fetchval(sql("fallback_made_at"), before)
        return made_at

    async def told_until(self, kinds: Collection[ForecastKind], groups: int) -> Mapping[ForecastKind, Ints]:
        names, until = [kind.value for kind in kinds], {kind: np.full(groups, NOTHING_TOLD, np.int64) for kind in kinds}

        async def look(first: int, behind: int) -> None:
            for row in await self._pool.fetch(sql("told_until"), names, first, behind):
                until[ForecastKind(row["kind"])][row["groups"]] = row["until_quarters"]

        middle = groups // 2  # two look at once: nobody else has work for PostgreSQL while a cycle is closed
        await asyncio.gather(look(0, middle), look(middle, groups))
        return until

    async def chain_length(self) -> int:
        length: int = await self._pool.fetchval(sql("chain_length"))
        return length

    async def decided_since(self, seq: int, slot: datetime) -> Sequence[DecidedSince]:
        return [DecidedSince(**r) for r in await self._pool.fetch(sql("decided_since"), seq, slot)]

    async def told_since(self, slot: datetime) -> Mapping[ForecastKind, Ints]:
        return await self._told(sql("told_since"), slot)

    async def told_after(self, seq: int) -> Mapping[ForecastKind, Ints]:
        return await self._told(sql("told_after"), seq)

    async def newest_message(self) -> int:
        newest: int = await self._pool.fetchval(sql("newest_message"))
        return newest

    async def queued_behind(self, message_id: int) -> Mapping[ForecastKind, Ints]:
        rows = await self._pool.fetch(sql("queued_behind"), message_id)
        return {ForecastKind(r["kind"]): np.array(r["groups"], np.int64) for r in rows}

    async def _told(self, query: str, since: datetime | int) -> Mapping[ForecastKind, Ints]:
        told: dict[ForecastKind, list[Ints]] = {}
        for r in await self._pool.fetch(query, since):
            told.setdefault(ForecastKind(r["kind"]), []).append(np.arange(r["first_no"], r["stop_no"]))
        return {kind: np.concatenate(groups) for kind, groups in told.items()}

    async def renew_cycle(self, slot: datetime, holder: UUID, lease: timedelta) -> None:
        await self._pool.execute(sql("renew_cycle"), slot, holder, lease)

    async def asked_lately(self, seconds: float) -> bool:
        return bool(await self._pool.fetchval(sql("asked_lately"), seconds))

    async def models(self, at: datetime, first_no: int | None = None) -> Mapping[int, KeptModel]:
        rows = await self._pool.fetch(sql("newest_models"), at, first_no)
        return {
            r["first_no"]: KeptModel(elements=r["elements"], made_at=r["made_at"], fitted_at=r["fitted_at"])
            for r in rows
        }

    async def model(self, first_no: int, at: datetime) -> bytes | None:
        state: bytes | None = await self._pool.fetchval(sql("model_state"), first_no, at)
        return state

    async def keep_model(
        self, first_no: int, elements: int, made_at: datetime, fitted_at: datetime, state: bytes
    ) -> bool:
        kept = await self._pool.fetchval(sql("keep_model"), first_no, elements, made_at, fitted_at, state)
        return kept is not None
