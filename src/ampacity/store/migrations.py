"""Numbered plain-SQL migrations, each in its own transaction, one runner at a time."""

import hashlib
from dataclasses import dataclass
from importlib import resources

import asyncpg

from ampacity.errors import Conflict

_LOCK = 4_170_211_500  # any number, the same for every runner


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All steps in their order."""
    folder = resources.files("ampacity.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(f.name.removesuffix(".sql"), f.read_text(encoding="utf-8")) for f in files]


@dataclass(frozen=True, slots=True)
class Pending:
    """Steps still to be taken, and whether none was taken yet."""

    steps: tuple[str, ...]
    is_empty: bool


async def pending(connection: asyncpg.Connection) -> Pending:
    """What `migrate` would do.

    Raises:
        Conflict: as `migrate`.
    """
    if await connection.fetchval("select to_regclass('migration') is null"):
        return Pending(tuple(m.name for m in migrations()), is_empty=True)
    taken = {r["name"]: r["checksum"] for r in await connection.fetch("select name, checksum from migration")}
    _refuse_drift(taken)
    return Pending(tuple(m.name for m in migrations() if m.name not in taken), is_empty=not taken)


async def migrate(connection: asyncpg.Connection) -> list[str]:
    """Bring the schema up to date; gives the names of the steps that were taken.

    Raises:
        Conflict: a step that was taken before has other text now, or is unknown to this version.
    """
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "create table if not exists migration ("
            " name text primary key, checksum text not null, taken_at timestamptz not null default now())"
        )
        taken = {r["name"]: r["checksum"] for r in await connection.fetch("select name, checksum from migration")}
        _refuse_drift(taken)
        due = [m for m in migrations() if m.name not in taken]
        for step in due:
            async with connection.transaction():
                await connection.execute(step.text)
                await connection.execute(
                    "insert into migration (name, checksum) values ($1, $2)", step.name, step.checksum
                )
        return [m.name for m in due]
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


def _refuse_drift(taken: dict[str, str]) -> None:
    known = {m.name: m.checksum for m in migrations()}
    for name, checksum in taken.items():
        if name not in known:
            raise Conflict(f"the database has migration {name}, which this version does not know: it is newer")
        if known[name] != checksum:
            raise Conflict(f"migration {name} was taken with other text than this version has")
