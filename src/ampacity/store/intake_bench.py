"""What the benchmark of the intake needs in its own database."""

from dataclasses import dataclass
from datetime import datetime

from ampacity.store.pool import Pool
from ampacity.store.sql import sql

_BARE = (
    "create table bare_message (message_no bigint generated always as identity primary key, group_id text, body bytea)"
)
_PARTS = ("provider", "element", "element_version", "group", "contract", "peer")


async def add_bench_group(pool: Pool, token_hash: bytes) -> None:
    """A connected provider with one group."""
    for part in _PARTS:
        await pool.execute(sql(f"add_bench_{part}"))
    await pool.execute(sql("add_bench_token"), token_hash)


async def prepare_bare(pool: Pool) -> None:
    """The table into which the bare application writes."""
    await pool.execute(_BARE)


async def add_bare(pool: Pool, group_id: str, body: bytes) -> None:
    """A row, durable when this returns."""
    await pool.execute("insert into bare_message (group_id, body) values ($1, $2)", group_id, body)


async def connect_bench_peers(pool: Pool, base_url: str, token_sealed: bytes) -> None:
    """Every provider is connected and reached at the same address."""
    await pool.execute(sql("connect_bench_peers"), base_url, token_sealed)


async def add_bench_elements(pool: Pool, elements: int) -> None:
    """So many cables."""
    await pool.execute(sql("add_bench_fleet"), elements)
    await pool.execute(sql("add_bench_fleet_versions"), elements)


async def give_bench_token(pool: Pool, provider_no: int, token_hash: bytes) -> None:
    """A token with which a provider may call."""
    await pool.execute(sql("give_bench_token"), provider_no, token_hash)


async def settle(pool: Pool) -> None:
    """Do what a database at work has done long since: vacuum what was filled in at once, and write it out."""
    await pool.execute("vacuum (analyze)")
    await pool.execute("checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """When a request was durable, when its decision was begun, and when its answer had been sent."""

    recorded_at: datetime
    decided_at: datetime
    sent_at: datetime


async def answered_requests(pool: Pool) -> list[AnsweredRequest]:
    """Requests whose answers have been sent."""
    return [AnsweredRequest(**r) for r in await pool.fetch(sql("bench_answered_requests"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """Whether requests can be decided, and whether a cycle is, at a time of the database's clock."""

    at: datetime
    is_closed: bool
    is_decided: bool


async def gate_state(pool: Pool, slot: datetime) -> GateState:
    """How it is now."""
    return GateState(**await pool.fetchrow(sql("bench_gate_state"), slot))
