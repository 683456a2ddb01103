"""Reads for those who look, from PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ampacity.console_ports import (
    AuditFilter,
    CycleLine,
    HeldBy,
    KeptCapacity,
    KeptForecast,
    Newest,
    ProviderLine,
    RequestEvent,
    RequestLine,
    SentMessage,
    Status,
)
from ampacity.figures import unpacked
from ampacity.network import PHASES, Direction, ForecastKind
from ampacity.people import Act
from ampacity.ports import Floats, Steps
from ampacity.store.headroom import read_headroom
from ampacity.store.marked_quarters import unpacked_quarters
from ampacity.store.pool import Pool
from ampacity.store.sql import sql
from ampacity.timegrid import Window

_FLOAT = np.dtype("<f4")
_INT = np.dtype("<i4")


class PostgresViews:
    """The port `Views` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def status(self, now: datetime) -> Status:
        row = await self._pool.fetchrow(sql("console_status"), now)
        values: dict[str, Any] = dict(row)
        stages, behind = values.pop("stages"), values.pop("behind_last_load")
        sessions = await self._pool.fetch(sql("sessions_by_state"))
        return Status(
            **values,
            took_s=None if stages is None else float(sum(stages.values())),
            newest_load_quarter=None if behind is None else behind - 1,
            peers={r["state"]: r["sessions"] for r in sessions},
        )

    async def newest(self, now: datetime) -> Newest | None:
        row = await self._pool.fetchrow(sql("console_newest"), now)
        if row is None:
            return None
        settings = row["settings"]
        return Newest(
            decision_id=row["decision_id"], slot=row["slot"], made_at=row["made_at"], latest_id=row["latest_id"],
            first_quarter=row["first_quarter"], horizon=row["quarters"],
            power_factor=settings["cycle"]["power_factor"], risk=settings["risk"],
        )  # fmt: skip

    async def grid_revision(self) -> tuple[int, ...]:
        return tuple(await self._pool.fetchrow(sql("grid_revision")))

    async def headroom(
        self, direction: Direction, elements: range, made_before: datetime
    ) -> tuple[Window, Floats] | None:
        numbers = np.arange(elements.start, elements.stop)
        return await read_headroom(self._pool, direction.value, made_before, numbers)

    async def forecast_sources(self, decision_id: int, elements: int) -> NDArray[np.uint8]:
        sources = np.zeros((elements, PHASES), np.uint8)
        for row in await self._pool.fetch(sql("forecast_sources"), decision_id):
            block = np.frombuffer(row["source"], np.uint8).reshape(-1, PHASES)
            sources[row["first_no"] : row["first_no"] + row["subjects"]] = block
        return sources

    async def kept_forecasts(self, element_no: int, since: datetime, until: datetime) -> Sequence[KeptForecast]:
        rows = await self._pool.fetch(sql("kept_forecasts"), element_no, since, until)
        return [
            KeptForecast(
                decision_id=r["decision_id"], made_at=r["made_at"], window=Window(r["first_quarter"], r["quarters"]),
                levels=tuple(r["levels"]),
                load_w=_by_level(r["load_w"], len(r["levels"]), r["quarters"]),
                weather_free=unpacked_quarters(r["weather_free"], r["quarters"]),
            )
            for r in rows
        ]  # fmt: skip

    async def kept_capacities(
        self, groups: Sequence[int], kind: ForecastKind, since: datetime, until: datetime
    ) -> Sequence[KeptCapacity]:
        rows = await self._pool.fetch(sql("kept_capacities"), list(groups), kind.value, since, until)
        return [
            KeptCapacity(
                decision_id=r["decision_id"], decision_kind=r["decision_kind"], made_at=r["made_at"],
                group_no=r["group_no"],
                steps=Steps(first=r["first_quarter"], count=r["steps"], quarters=r["step_quarters"]),
                capacity_w=np.frombuffer(r["capacity_w"], _FLOAT),
                bound_by=np.frombuffer(r["bound_by"], _INT).astype(np.int64),
            )
            for r in rows
        ]  # fmt: skip

    async def element_headroom(
        self, direction: Direction, element_no: int, since: datetime, until: datetime
    ) -> Sequence[tuple[datetime, Window, Floats]]:
        rows = await self._pool.fetch(sql("element_headroom"), direction.value, element_no, since, until)
        return [
            (
                r["made_at"],
                Window(r["first_quarter"], r["steps"]),
                unpacked(r["headroom_w"], (PHASES, r["steps"])),
            )
            for r in rows
        ]

    async def messages(
        self, *, group_no: int | None, provider_no: int | None, state: str | None, limit: int
    ) -> Sequence[SentMessage]:
        rows = await self._pool.fetch(sql("console_messages"), group_no, provider_no, state, limit)
        return [SentMessage(**{**r, "kind": ForecastKind(r["kind"])}) for r in rows]

    async def requests(
        self, *, group_no: int | None, waiting: bool | None, limit: int, offset: int
    ) -> tuple[Sequence[RequestLine], int]:
        rows = await self._pool.fetch(sql("console_requests"), group_no, waiting, None, limit, offset)
        return [_request(r) for r in rows], rows[0]["total"] if rows else 0

    async def request(self, request_no: int) -> tuple[RequestLine, Sequence[RequestEvent], Sequence[HeldBy]] | None:
        row = await self._pool.fetchrow(sql("console_requests"), None, None, request_no, 1, 0)
        if row is None:
            return None
        events = [RequestEvent(**r) for r in await self._pool.fetch(sql("request_story"), request_no)]
        held = [
            HeldBy(
                is_return=r["is_return"], first_quarter=r["first_quarter"], held_w=np.frombuffer(r["held_w"], _FLOAT)
            )
            for r in await self._pool.fetch(sql("request_held"), request_no)
        ]
        return _request(row), events, held

    async def provider_states(self) -> Mapping[str, str]:
        return {r["provider_id"]: r["state"] for r in await self._pool.fetch(sql("provider_states"))}

    async def providers(self) -> Sequence[ProviderLine]:
        return [ProviderLine(**r) for r in await self._pool.fetch(sql("console_providers"))]

    async def cycles(self, until: datetime, limit: int) -> Sequence[CycleLine]:
        return [CycleLine(**r) for r in await self._pool.fetch(sql("console_cycles"), until, limit)]

    async def audit(self, wanted: AuditFilter, limit: int, offset: int) -> Sequence[Act]:
        rows = await self._pool.fetch(
            sql("console_audit"),
            wanted.who, wanted.about, wanted.words, wanted.since, wanted.until, wanted.decisions, limit, offset,
        )  # fmt: skip
        return [Act(**r) for r in rows]

    async def decision(self, decision_id: int) -> Mapping[str, object] | None:
        row = await self._pool.fetchrow(sql("one_decision"), decision_id)
        return None if row is None else dict(row)


def _request(row: asyncpg.Record) -> RequestLine:
    values: dict[str, Any] = dict(row)
    values.pop("total")
    values["kind"] = ForecastKind(values["kind"])
    values["wanted_w"] = np.frombuffer(values["wanted_w"], _FLOAT)
    return RequestLine(**values)


def _by_level(rows: bytes, levels: int, quarters: int) -> Floats:
    """Quantiles of one element (levels, 3, quarters) [W], each level's rows packed by themselves."""
    size = len(rows) // levels
    each = (rows[first : first + size] for first in range(0, len(rows), size))
    return np.stack([unpacked(packed, (PHASES, quarters)) for packed in each])
