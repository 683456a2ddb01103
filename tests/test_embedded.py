"""The PostgreSQL that comes in a wheel."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ampacity.store.embedded import embedded_server


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
