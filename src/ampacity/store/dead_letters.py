"""Messages that were given up, in PostgreSQL."""

from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class PostgresDeadLetters:
    """The port `DeadLetters` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def revive(self, provider_no: int) -> int:
        done: str = await self._pool.execute(sql("revive_dead_letters"), provider_no)
        return int(done.rsplit(" ", 1)[-1])
