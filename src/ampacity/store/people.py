"""Accounts, sessions and the acts of people, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from ampacity.errors import Conflict
from ampacity.people import Account, NewAct, Role, SignedIn
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class PostgresPeople:
    """The port `PeopleStore` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def accounts(self) -> Sequence[Account]:
        return [_account(r) for r in await self._pool.fetch(sql("all_accounts"))]

    async def password_hash(self, name: str) -> tuple[Account, str | None] | None:
        row = await self._pool.fetchrow(sql("account_with_password"), name)
        return None if row is None else (_account(row), row["password_hash"])

    async def add_account(
        self, name: str, full_name: str, role: Role, password_hash: str | None, oidc_subject: str | None
    ) -> int:
        try:
            number: int = await self._pool.fetchval(
                sql("add_account"), name, full_name, role.value, password_hash, oidc_subject
            )
        except asyncpg.UniqueViolationError as taken:
            raise Conflict(f"there is an account {name} already") from taken
        return number

    async def change_account(
        self, account_no: int, *, role: Role, full_name: str, password_hash: str | None, closed_at: datetime | None
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("change_account"), account_no, role.value, full_name, password_hash, closed_at)
            if closed_at is not None:
                await connection.execute(sql("end_sessions_of_account"), account_no, closed_at)

    async def account_of_subject(self, oidc_subject: str) -> Account | None:
        row = await self._pool.fetchrow(sql("account_of_subject"), oidc_subject)
        return None if row is None else _account(row)

    async def failures(self, name: str, address: str, since: datetime) -> tuple[int, int]:
        row = await self._pool.fetchrow(sql("sign_in_failures"), name, address, since)
        return row["of_name"], row["of_address"]

    async def note_attempt(self, name: str, address: str, at: datetime, *, succeeded: bool) -> None:
        await self._pool.execute(sql("note_attempt"), name, address, at, succeeded)

    async def start_session(self, token_hash: bytes, account_no: int, at: datetime, ends_at: datetime) -> None:
        await self._pool.execute(sql("start_session"), token_hash, account_no, at, ends_at)

    async def session(self, token_hash: bytes, now: datetime, idle_since: datetime) -> SignedIn | None:
        row = await self._pool.fetchrow(sql("session_of_token"), token_hash, now, idle_since)
        if row is None:
            return None
        if (now - row["seen_at"]).total_seconds() > 60:
            await self._pool.execute(sql("touch_session"), token_hash, now)
        return SignedIn(
            account_no=row["account_no"], name=row["name"], full_name=row["full_name"], role=Role(row["role"])
        )

    async def end_session(self, token_hash: bytes, at: datetime) -> None:
        await self._pool.execute(sql("end_session"), token_hash, at)

    async def record(self, who: SignedIn | str, act: NewAct, at: datetime) -> None:
        number, name = (None, who) if isinstance(who, str) else (who.account_no, who.name)
        await self._pool.execute(sql("record_act"), at, number, name, act.what, act.about, dict(act.detail))


def _account(row: asyncpg.Record) -> Account:
    return Account(
        account_no=row["account_no"],
        name=row["name"],
        full_name=row["full_name"],
        role=Role(row["role"]),
        has_password=row["has_password"],
        oidc_subject=row["oidc_subject"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
    )
