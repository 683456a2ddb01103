"""What providers asked for, and what it lets their groups hold."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import numpy as np

from ampacity.errors import Conflict, NotFound
from ampacity.figures import unpacked
from ampacity.network import PHASES, Direction, ForecastKind
from ampacity.ports import (
    AskedConsent,
    CapacityTable,
    Consent,
    Emergency,
    Floats,
    Held,
    Ints,
    JsonObject,
    NewlyHeld,
    RequestOutcome,
    RunningGrant,
    Steps,
    WaitingRequest,
)
from ampacity.store.decisions import PostgresDecision, join_capacities, open_decision
from ampacity.store.headroom import KeptRooms, read_headroom
from ampacity.store.kept_tables import KeptTables
from ampacity.store.laid_outcomes import lay_outcomes, newly_held
from ampacity.store.ledger import ledger_rows
from ampacity.store.pool import Connection, Pool
from ampacity.store.sql import sql
from ampacity.timegrid import Window, quarter_at

_FLOAT = np.dtype("<f4")
_EVENT_COLUMNS = ["request_no", "step", "at", "decision_id", "reason", "detail"]
_OUTCOME_COLUMNS = [
    "request_no", "is_return", "decision_id", "group_no", "kind", "first_quarter", "quarters", "held_w",
]  # fmt: skip


class PostgresRequests:
    """Requests, their events and outcomes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tables = KeptTables()
        self._rooms = KeptRooms()

    async def held(self, kind: ForecastKind, groups: int, window: Window, without: Collection[int] = ()) -> Held:
        rows = await self._pool.fetch(
            sql("running_outcomes"), kind.value, window.first, window.end, None, list(without), 0
        )
        return lay_outcomes(rows, groups, window)

    async def newly_held(self, kind: ForecastKind, window: Window, after: int, up_to: int) -> Sequence[NewlyHeld]:
        rows = await self._pool.fetch(sql("running_outcomes"), kind.value, window.first, window.end, up_to, [], after)
        return [newly_held(row) for row in rows]

    async def running_grants(self, quarter: int) -> Sequence[RunningGrant]:
        return [
            RunningGrant(
                request_no=r["request_no"], request_id=r["request_id"], group_no=r["group_no"],
                kind=ForecastKind(r["kind"]), first_quarter=r["first_quarter"],
                held_w=np.frombuffer(r["held_w"], _FLOAT),
            )
            for r in await self._pool.fetch(sql("running_grants"), quarter)
        ]  # fmt: skip

    async def follow(self, at: datetime) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            noted = 0
            for step in ("note_published", "note_active", "note_released", "note_expired"):
                noted += len(await connection.fetch(sql(step), at, quarter_at(at)))
            return noted

    async def emergencies(self, at: datetime) -> Sequence[Emergency]:
        return [Emergency(**r) for r in await self._pool.fetch(sql("running_emergencies"), at)]

    async def for_consent(self, at: datetime) -> Sequence[AskedConsent]:
        return [
            AskedConsent(
                request_no=r["request_no"], request_id=r["request_id"], provider_id=r["provider_id"],
                group_id=r["group_id"], kind=ForecastKind(r["kind"]), received_at=r["received_at"],
                first_quarter=r["first_quarter"], wanted_w=np.frombuffer(r["wanted_w"], _FLOAT), rise_w=r["rise_w"],
                until=r["until"],
            )
            for r in await self._pool.fetch(sql("requests_for_consent"), at)
        ]  # fmt: skip

    async def answer_consent(self, request_no: int, *, is_given: bool, who: str, reason: str, at: datetime) -> str:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("lock_negotiation"))  # nobody decides on it meanwhile
            row = await connection.fetchrow(sql("consent_state"), request_no)
            if row is None:
                raise NotFound(f"there is no request {request_no}")
            if not row["is_asked"]:
                raise Conflict(f"request {request_no} does not wait for an operator")
            if row["answered"] is not None:
                raise Conflict(f"request {request_no} was {row['answered']} already")
            if row["until"] <= at:
                raise Conflict(f"request {request_no} waited until {row['until'].isoformat()}: the rule decides now")
            step = "approved" if is_given else "rejected"
            await connection.execute(sql("add_request_event"), request_no, step, at, None, reason, {"who": who})
            group_id: str = row["group_id"]
            return group_id

    async def outcome_of(self, request_id: str) -> tuple[str, str]:
        """What a request came to, and why.

        Raises:
            NotFound: it is not decided, or was never asked.
        """
        row = await self._pool.fetchrow(sql("outcome_of_request"), request_id)
        if row is None:
            raise NotFound(f"there is no decision on a request {request_id}")
        return row["step"], row["reason"]

    async def newest_outcomes(self) -> dict[int, tuple[str, str]]:
        """What the newest decided request of each group came to, and why, by the group's number."""
        rows = await self._pool.fetch(sql("newest_outcome_of_groups"))
        return {r["group_no"]: (r["step"], r["reason"]) for r in rows}

    @asynccontextmanager
    async def gate(self, *, alone: bool = False) -> AsyncIterator["PostgresGate"]:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("lock_negotiation" if alone else "share_negotiation"))
            yield PostgresGate(connection, self._tables, self._rooms)


def waiting_request(row: asyncpg.Record) -> WaitingRequest:
    """A row of `undecided_requests` as a record."""
    return WaitingRequest(
        request_no=row["request_no"],
        group_no=row["group_no"],
        kind=ForecastKind(row["kind"]),
        request_id=row["request_id"],
        received_at=row["received_at"],
        first_quarter=row["first_quarter"],
        wanted_w=np.frombuffer(row["wanted_w"], _FLOAT),
        repeats=tuple(row["repeats"]),
        consent=_consent(row),
    )


def _consent(row: asyncpg.Record) -> Consent | None:
    until = row.get("consent_until")
    if until is None:
        return None
    return Consent(until=until, is_given=row["consent_given"], reason=row["consent_reason"])


class PostgresGate:
    """An open gate on one connection."""

    def __init__(self, connection: Connection, tables: KeptTables, rooms: KeptRooms) -> None:
        self._connection = connection
        self._tables = tables
        self._rooms = rooms

    async def lock_tree(self, root_no: int) -> bool:
        locked: bool = await self._connection.fetchval(sql("lock_tree"), root_no)
        return locked

    async def decided_at(self, now: datetime) -> datetime:
        newest: datetime | None = await self._connection.fetchval(sql("decided_at"), now)
        return newest or now

    async def waiting_groups(self) -> Sequence[tuple[int, ForecastKind]]:
        return [(r["group_no"], ForecastKind(r["kind"])) for r in await self._connection.fetch(sql("waiting_groups"))]

    async def waiting(self, groups: Sequence[int], kind: ForecastKind) -> Sequence[WaitingRequest]:
        rows = await self._connection.fetch(sql("undecided_requests"), groups, kind.value)
        return [waiting_request(r) for r in rows]

    async def instant(self, kind: ForecastKind, since: datetime) -> Mapping[int, float]:
        rows = await self._connection.fetch(sql("had_at_once"), since, kind.value)
        return {r["group_no"]: r["had_w"] for r in rows}

    async def defer(self, request_no: int, at: datetime, detail: JsonObject) -> None:
        await self._connection.execute(sql("add_request_event"), request_no, "deferred", at, None, "", detail)

    async def headroom(
        self, direction: Direction, made_before: datetime, elements: Ints | None = None
    ) -> tuple[Window, Floats] | None:
        if elements is None:
            return await read_headroom(self._connection, direction.value, made_before)
        return await self._rooms.read(self._connection, direction.value, made_before, elements)

    async def fallback_headroom(self, direction: Direction, made_before: datetime) -> tuple[Steps, Floats] | None:
        rows = await self._connection.fetch(sql("newest_fallback_headroom"), made_before, f"fallback_{direction.value}")
        if not rows:
            return None
        blocks = [unpacked(r["headroom_w"], (r["subjects"], PHASES, r["steps"])) for r in rows]
        row = rows[0]
        steps = Steps(first=row["first_quarter"], count=row["steps"], quarters=row["step_quarters"])
        return steps, np.concatenate(blocks)

    async def capacities(self, groups: int, made_before: datetime) -> Mapping[ForecastKind, CapacityTable]:
        rows = await self._connection.fetch(sql("newest_allocation_blocks"), made_before, None, None, None, None)
        return join_capacities(rows, np.arange(groups))

    async def capacities_of(self, groups: Ints, kind: ForecastKind, made_before: datetime) -> CapacityTable | None:
        return await self._tables.read(self._connection, groups, kind, made_before)

    @asynccontextmanager
    async def decide(self, made_at: datetime, settings: JsonObject) -> AsyncIterator["PostgresRequestDecision"]:
        async with open_decision(self._connection, "request", made_at, settings) as decision:
            yield PostgresRequestDecision(self._connection, decision)

    @asynccontextmanager
    async def impose(self, made_at: datetime, kind: str = "emergency") -> AsyncIterator["PostgresEmergencyDecision"]:
        async with open_decision(self._connection, kind, made_at, {}) as decision:
            yield PostgresEmergencyDecision(self._connection, decision)


class PostgresEmergencyDecision(PostgresDecision):
    """Writes a decision on a limit."""

    def __init__(self, connection: Connection, decision: PostgresDecision) -> None:
        super().__init__(connection, decision.decision_id, decision.owners)
        self._outer = decision

    async def finish(self, summary: JsonObject, stages: Mapping[str, float]) -> None:
        await self._outer.finish(summary, stages)

    async def impose(self, emergency: Emergency, at: datetime, reason: str, limit_no: int | None = None) -> None:
        await self._connection.execute(
            sql("add_emergency"), self.decision_id, emergency.element_no, emergency.limit_w, at, emergency.until,
            reason, limit_no,
        )  # fmt: skip

    async def revoke(self, kind: ForecastKind, groups: Sequence[int], at: datetime, reason: str) -> None:
        await self._connection.execute(
            sql("revoke_grants"), self.decision_id, at, reason, list(groups), kind.value, quarter_at(at)
        )


class PostgresRequestDecision(PostgresDecision):
    """Writes a decision on requests."""

    def __init__(self, connection: Connection, decision: PostgresDecision) -> None:
        super().__init__(connection, decision.decision_id, decision.owners)
        self._outer = decision

    async def finish(self, summary: JsonObject, stages: Mapping[str, float]) -> None:
        await self._outer.finish(summary, stages)

    async def reserve(
        self, direction: Direction, quarters: Ints, room_w: Floats, given_w: Floats, at: datetime, elements: Ints
    ) -> None:
        rows = ledger_rows(elements, quarters, room_w, given_w)
        if rows.element.size == 0:
            return
        try:
            await self._connection.execute(
                sql("reserve_capacity"), at, direction.value, rows.element.tolist(), rows.hour.tolist(),
                rows.room_w.ravel().tolist(), rows.given_w.ravel().tolist(),
            )  # fmt: skip
        except asyncpg.CheckViolationError as exceeded:
            raise Conflict("grants would exceed headroom: it was given to others meanwhile") from exceeded

    async def outcomes(self, outcomes: Sequence[RequestOutcome], at: datetime) -> None:
        events = [(o.request.request_no, o.step, at, self.decision_id, o.reason, o.detail) for o in outcomes]
        await self._connection.copy("request_event", events, _EVENT_COLUMNS)
        records = [
            (
                o.request.request_no, is_return, self.decision_id, o.request.group_no, o.request.kind.value,
                o.first_quarter, len(held_w), np.ascontiguousarray(held_w, _FLOAT).tobytes(),
            )
            for o in outcomes
            for is_return, held_w in ((False, o.granted_w), (True, o.returned_w))
            if not np.isnan(held_w).all()
        ]  # fmt: skip
        await self._connection.copy("request_outcome", records, _OUTCOME_COLUMNS)

    async def send_later(self, kind: ForecastKind, groups: Sequence[int], wait_s: float) -> None:
        if groups:
            owners = await self.owners_of(groups)
            await self._connection.execute(
                sql("tell_later"), self.decision_id, kind.value, list(groups), owners, self.until(kind), wait_s
            )

    async def answer(self, kind: ForecastKind, answers: Sequence[tuple[int, str]]) -> None:
        await self.send_each(kind, answers)
