"""One embedded PostgreSQL for the whole run; a fresh, migrated database for each test that asks."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest
from hypothesis import settings

import ampacity.app  # noqa: F401  # before numpy: its way with threads
from ampacity.store.embedded import embedded_server
from ampacity.store.migrations import migrate
from ampacity.store.pool import Pool, connect

settings.register_profile("any machine", deadline=None)  # how fast a busy machine is says nothing of the code
settings.load_profile("any machine")

LONGEST_ID = 240
LEAST_MEMORY = 12 * 2**30  # bytes, for the servers of two test processes and all that the tests start
WAL_MIB = 512
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse an id that holds a whole body: with time or chance in it, the processes disagree which tests exist."""
    if unnamed := [item.nodeid for item in items if len(item.nodeid) > LONGEST_ID]:
        raise pytest.UsageError("give these parameters an id: " + ", ".join(i[:100] for i in unnamed))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real loads and schemas that lie beside the project; a user's clone does not have them."""
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{SHARED.name} is missing beside the project, where CI must have it")
        pytest.skip("real loads and schemas (../shared) are not beside this clone")
    return SHARED


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """The embedded server's address; its data lie in a temporary folder, which it can reach as root."""
    folder = Path(tempfile.mkdtemp(prefix="ampacity-test-", dir=_quick_folder()))
    try:
        with embedded_server(folder) as dsn:
            asyncio.run(_run(dsn, f"alter system set max_wal_size = '{WAL_MIB}MB'", "select pg_reload_conf()"))
            yield dsn
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _quick_folder() -> str | None:
    """Memory, where there is plenty: with each test a database comes and goes, 900 files that take a disk 0.3 s."""
    memory = Path("/dev/shm")
    if memory.is_dir() and min(shutil.disk_usage(memory).free, psutil.virtual_memory().available) > LEAST_MEMORY:
        return str(memory)
    return None


@pytest.fixture(scope="session")
async def migrated(server_dsn: str) -> str:
    """The name of a migrated database to copy."""
    await _run(server_dsn, "create database migrated")
    connection = await asyncpg.connect(_named(server_dsn, "migrated"))
    await migrate(connection)
    await connection.close()
    return "migrated"


@pytest.fixture
async def dsn(server_dsn: str, migrated: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    async with database_copy(server_dsn, migrated) as copy:
        yield copy


@pytest.fixture
async def other_pool(server_dsn: str, migrated: str) -> AsyncIterator[Pool]:
    """A pool on another fresh, migrated database, to compare with."""
    name = f"test_{uuid4().hex}"
    await _run(server_dsn, f"create database {name} template {migrated}")
    pool = await connect(_named(server_dsn, name), max_size=5)
    yield pool
    await pool.close()
    await _run(server_dsn, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
async def decided_database(server_dsn: str, migrated: str) -> str:
    """The name of a database with the small grid and one decided cycle, to copy."""
    from tests.operations.conftest import small_input
    from tests.operations.test_cycle import AT, cycle, ports

    await _run(server_dsn, f"create database decided template {migrated}")
    pool = await connect(_named(server_dsn, "decided"), max_size=3)
    on = ports(pool)
    await on.grid.take_in(small_input(), corrected_at=AT)
    await cycle(on)
    await pool.close()
    return "decided"


@pytest.fixture
async def decided_copy(server_dsn: str, decided_database: str) -> AsyncIterator[str]:
    """The address of a database with the small grid and one decided cycle."""
    async with database_copy(server_dsn, decided_database) as copy:
        yield copy


@pytest.fixture
async def decided_pool(decided_copy: str) -> AsyncIterator[Pool]:
    """A pool on a database with the small grid and one decided cycle."""
    pool = await connect(decided_copy, max_size=5)
    yield pool
    await pool.close()


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on a fresh, migrated database."""
    pool = await connect(dsn, max_size=5)
    yield pool
    await pool.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted (`record_property`), so that a report can state it."""
    reports = [r for r in terminalreporter.getreports("passed") if r.when == "call" and r.user_properties]
    if reports:
        terminalreporter.write_sep("=", "counted")
    for report in reports:
        counts = ", ".join(f"{n} {name}" for name, n in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {counts}")


@asynccontextmanager
async def database_copy(server_dsn: str, template: str, name: str = "") -> AsyncIterator[str]:
    """The address of a copy of a database, until the block ends."""
    name = name or f"test_{uuid4().hex}"
    await _run(server_dsn, f"create database {name} template {template}")
    yield _named(server_dsn, name)
    await _run(server_dsn, f"drop database {name} with (force)")


def _named(dsn: str, database: str) -> str:
    return dsn.replace("/postgres?", f"/{database}?")


async def _run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
