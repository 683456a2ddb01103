"""`ampacity migrate`."""

from ampacity.app.commands.options import Config, run_until_stopped, settings_of
from ampacity.app.session import database
from ampacity.store.migrations import migrate as take_steps
from ampacity.store.pool import connect


def migrate(config: Config = None) -> None:
    """Bring the database's schema up to date."""
    with database(settings_of(config)) as dsn:
        taken = run_until_stopped(_migrate(dsn))
    for name in taken:
        print(f"taken: {name}")  # noqa: T201  # the command's output
    print(f"{len(taken)} steps taken" if taken else "up to date")  # noqa: T201


async def _migrate(dsn: str) -> list[str]:
    pool = await connect(dsn, max_size=1)
    try:
        async with pool.acquire() as connection:
            return await take_steps(connection)
    finally:
        await pool.close()
