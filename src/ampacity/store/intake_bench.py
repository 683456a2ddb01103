"""What the benchmark of the intake needs in its own database."""

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


async def answer_times(pool: Pool) -> list[float]:
    """Of each answered request, the seconds from when it was durable to when its answer had been sent."""
    return [r["took_s"] for r in await pool.fetch(sql("bench_answer_times"))]


async def decided_ago(pool: Pool, slot: datetime) -> float | None:
    """How long ago [s] a cycle was decided; None: it is not."""
    ago_s: float | None = await pool.fetchval(sql("bench_decided_ago"), slot)
    return ago_s
