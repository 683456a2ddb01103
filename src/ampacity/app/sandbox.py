"""`ampacity serve --sandbox`: a place where a provider's developers can try their side, away from production data."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ampacity.app.peers_command import Invitation, add_peer
from ampacity.app.scratch_database import named_database
from ampacity.app.secret import with_secret_key
from ampacity.app.settings import Settings
from ampacity.store.pool import Pool, connect
from ampacity.store.sandbox import add_sandbox_grid

DATABASE = "ampacity_sandbox"
PROVIDER = "sandbox"


@asynccontextmanager
async def sandbox_database(dsn: str) -> AsyncIterator[str]:
    """A fresh database of its own on the same server, with one provider and its two groups."""
    async with named_database(dsn, DATABASE, fresh=True) as address:
        pool = await connect(address, max_size=1)
        await add_sandbox_grid(pool, PROVIDER)
        await pool.close()
        yield address


async def sandbox_invitation(pool: Pool, settings: Settings) -> Invitation:
    """What the developers need: a one-time token and our address."""
    oscp = with_secret_key(settings, os.environ)
    return await add_peer(pool, oscp, provider_id=PROVIDER, public_url=settings.server.base_url())
