"""What the benchmark of a cycle copies inside its own database."""

from datetime import datetime

from ampacity.store.pool import Pool
from ampacity.store.sql import sql


async def copy_loads(pool: Pool, subjects: int, to_no: int, from_quarter: int) -> None:
    """Give elements from a number on the loads of the first ones since a quarter."""
    await pool.execute(sql("copy_bench_loads"), subjects, to_no, from_quarter)


async def copy_models(pool: Pool, from_no: int, to_no: int) -> None:
    """Give a block the model and the extremes of another one."""
    await pool.execute(sql("copy_bench_model"), from_no, to_no)
    await pool.execute(sql("copy_bench_extremes"), from_no, to_no)


async def drop_figures(pool: Pool) -> None:
    """Give the room of forecasts and headroom back; what groups were told stays."""
    await pool.execute(sql("drop_bench_figures"))


async def log_position(pool: Pool) -> int:
    """How many bytes the server ever wrote to its write-ahead log."""
    position: int = await pool.fetchval(sql("log_position"))
    return position


async def models_made(pool: Pool, made_at: datetime) -> tuple[int, int]:
    """Of how many elements models were made at a time, and of how many of these they were fitted anew then."""
    row = await pool.fetchrow(sql("bench_models_made"), made_at)
    assert row is not None
    return row["made"], row["fitted"]


async def forget_models(pool: Pool, made_at: datetime) -> int:
    """Forget the models made at a time, so that there is room for others; gives of how many elements they were."""
    elements: int = await pool.fetchval(sql("forget_bench_models"), made_at)
    await pool.execute("vacuum forecast_model")
    return elements


async def forget_bases(pool: Pool) -> None:
    """Forget every daily forecast that cycles rest on."""
    await pool.execute(sql("forget_bench_bases"))
