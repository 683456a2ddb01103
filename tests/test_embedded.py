"""The PostgreSQL that comes in a wheel."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ampacity.store.embedded import embedded_server
from ampacity.store.pool import opened


@pytest.mark.skipif(os.getuid() != 0, reason="only root needs another user to run the server as")
def test_a_job_of_root_without_sbin_on_its_path_gets_its_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    folder = Path(tempfile.mkdtemp(prefix="ampacity-test-"))

    try:
        with embedded_server(folder) as dsn:
            assert dsn.startswith("postgresql://")
            assert shutil.which("useradd")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_it_is_set_to_take_what_a_cycle_writes_and_what_people_set_stays():
    folder = Path(tempfile.mkdtemp(prefix="ampacity-test-"))

    async def shown(dsn: str) -> list[str]:
        async with opened(dsn, max_size=1) as pool:
            return [await pool.fetchval(f"show {name}") for name in ("max_wal_size", "checkpoint_timeout")]

    try:
        with embedded_server(folder) as dsn:
            assert await shown(dsn) == ["4GB", "15min"]
            async with opened(dsn, max_size=1) as pool:
                await pool.execute("alter system set max_wal_size = '5GB'")
        with embedded_server(folder) as dsn:
            assert await shown(dsn) == ["5GB", "15min"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
