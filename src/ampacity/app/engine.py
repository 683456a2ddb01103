"""The engine that is asked for: `local`, or `dask://HOST:PORT`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ampacity.cluster.dask_engine import SCHEME, dask_engine
from ampacity.errors import Unsuitable
from ampacity.operations.engine import LocalEngine
from ampacity.ports import Engine

LOCAL = "local"


@asynccontextmanager
async def open_engine(address: str) -> AsyncIterator[Engine]:
    """The engine at an address.

    Raises:
        Unsuitable: there is no such kind of engine.
        NotReady: it is not there.
    """
    if address == LOCAL:
        yield LocalEngine()
    elif address.startswith(SCHEME):
        async with dask_engine(address) as engine:
            yield engine
    else:
        raise Unsuitable(f"engine is {address}, must be {LOCAL} or {SCHEME}HOST:PORT")
