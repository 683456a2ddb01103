"""The made-up grid of a sandbox: one cable, one provider, a group for amperes and one for kilowatts."""

from ampacity.store.pool import Pool
from ampacity.store.sql import sql

GROUPS = (("sandbox-amperes", "A"), ("sandbox-kilowatts", "KW"))


async def add_sandbox_grid(pool: Pool, provider_id: str) -> None:
    """Write the grid into an empty database."""
    await pool.execute(sql("add_sandbox_provider"), provider_id)
    await pool.execute(sql("add_sandbox_element"))
    await pool.execute(sql("add_sandbox_element_version"))
    for number, (group_id, unit) in enumerate(GROUPS):
        await pool.execute(sql("add_sandbox_group"), number, group_id)
        await pool.execute(sql("add_sandbox_contract"), number, unit)
