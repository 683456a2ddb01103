"""Who may look: accounts, signing in and out, sessions."""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ampacity.console_ports import PeopleStore
from ampacity.errors import Conflict, NotFound, Refused, Unauthorised, Unsuitable
from ampacity.people import Account, NewAct, Permission, Role, SignedIn
from ampacity.ports import Clock

SHORTEST_PASSWORD = 12
FAILURES_OF_A_NAME = 5
FAILURES_OF_AN_ADDRESS = 30
FAILURES_COUNT_FOR = timedelta(minutes=15)
_HASHER = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """What a name that nobody has is checked against, so that it takes as long as one that somebody has."""
    return _HASHER.hash("nobody has this password")


@dataclass(frozen=True, kw_only=True)
class Reception:
    """What signing in works with; `wall` is the wall clock."""

    people: PeopleStore
    wall: Clock
    idle: timedelta = timedelta(hours=8)
    longest: timedelta = timedelta(hours=24)


async def sign_in(at: Reception, name: str, password: str, address: str) -> str:
    """Sign a person in; gives the session's token, which is shown to nobody else.

    Raises:
        Refused: too many attempts failed; says for how long.
        Unauthorised: name and password do not fit, or the account is closed.
    """
    now = at.wall()
    of_name, of_address = await at.people.failures(name, address, now - FAILURES_COUNT_FOR)
    if of_name >= FAILURES_OF_A_NAME or of_address >= FAILURES_OF_AN_ADDRESS:
        raise Refused("too many attempts failed: wait 15 minutes, or ask an administrator")
    found = await at.people.password_hash(name)
    account, kept = found if found is not None else (None, None)
    fits = await asyncio.to_thread(_fits, kept or _nobodys_hash(), password)
    good = fits and account is not None and kept is not None and account.closed_at is None
    await at.people.note_attempt(name, address, now, succeeded=good)
    if not good or account is None:
        raise Unauthorised("name and password do not fit")
    return await open_session(at, account, "signed in")


async def open_session(at: Reception, account: Account, how: str) -> str:
    """Start a session for somebody who proved who it is; gives its token."""
    now, token = at.wall(), secrets.token_urlsafe(32)
    await at.people.start_session(digest(token), account.account_no, now, now + at.longest)
    await at.people.record(_signed_in(account), NewAct(what=how, about=f"account/{account.name}"), now)
    return token


async def who_is(at: Reception, token: str) -> SignedIn | None:
    """Who holds a session; None where it is over."""
    now = at.wall()
    return await at.people.session(digest(token), now, now - at.idle)


async def sign_out(at: Reception, who: SignedIn, token: str) -> None:
    """End a session."""
    now = at.wall()
    await at.people.end_session(digest(token), now)
    await at.people.record(who, NewAct(what="signed out", about=f"account/{who.name}"), now)


async def add_account(
    at: Reception, who: SignedIn | str, name: str, role: Role, *, full_name: str = "", password: str | None = None,
    oidc_subject: str | None = None,
) -> None:  # fmt: skip
    """Let a person in.

    Raises:
        Refused: `who` may not.
        Unsuitable: the name is empty or the password too short.
        Conflict: there is such an account.
    """
    require(who, Permission.ADMINISTER)
    if not name.strip() or len(name) > 80:
        raise Unsuitable("the name of an account has 1 to 80 characters")
    hashed = None if password is None else await _hash(password)
    await at.people.add_account(name.strip(), full_name.strip(), role, hashed, oidc_subject)
    act = NewAct(what="added an account", about=f"account/{name.strip()}", detail={"role": role.value})
    await at.people.record(who, act, at.wall())


async def change_account(
    at: Reception, who: SignedIn, name: str, *, role: Role, full_name: str, password: str | None, is_closed: bool
) -> None:
    """Change what a person may do, or close the account; the last administrator stays one.

    Raises:
        Refused, NotFound, Conflict, Unsuitable.
    """
    require(who, Permission.ADMINISTER)
    accounts = await at.people.accounts()
    before = next((a for a in accounts if a.name == name), None)
    if before is None:
        raise NotFound(f"there is no account {name}")
    others = [a for a in accounts if a.role is Role.ADMIN and a.closed_at is None and a.name != name]
    if before.role is Role.ADMIN and not others and (role is not Role.ADMIN or is_closed):
        raise Conflict(f"{name} is the only administrator: make another one first")
    hashed = None if not password else await _hash(password)
    closed_at = (before.closed_at or at.wall()) if is_closed else None
    await at.people.change_account(
        before.account_no, role=role, full_name=full_name.strip(), password_hash=hashed, closed_at=closed_at
    )
    detail = {
        "before": {"role": before.role.value, "closed": before.closed_at is not None},
        "after": {"role": role.value, "closed": is_closed},
        "password changed": hashed is not None,
    }
    await at.people.record(who, NewAct(what="changed an account", about=f"account/{name}", detail=detail), at.wall())


async def ready_made(at: Reception, name: str, role: Role) -> Account:
    """An account for the demonstration, without a password: only who is given a session can use it."""
    found = await at.people.password_hash(name)
    if found is None:
        await add_account(at, "demo", name, role)
        found = await at.people.password_hash(name)
        assert found is not None
    return found[0]


async def sign_in_by_claims(at: Reception, subject: str, name: str, full_name: str, role: Role | None) -> str:
    """Sign in whom an identity provider vouches for; a new person gets an account with the role that it names.

    Raises:
        Unauthorised: no role is known for this person, or the account is closed.
    """
    account = await at.people.account_of_subject(subject)
    if account is None:
        if role is None:
            raise Unauthorised(f"{name} is known, but has no role here: ask an administrator")
        await at.people.add_account(name, full_name, role, None, subject)
        await at.people.record(
            "identity provider", NewAct(what="added an account", about=f"account/{name}", detail={"role": role.value}),
            at.wall(),
        )  # fmt: skip
        account = await at.people.account_of_subject(subject)
        assert account is not None
    elif role is not None and role is not account.role and account.closed_at is None:
        await at.people.change_account(
            account.account_no, role=role, full_name=full_name, password_hash=None, closed_at=None
        )
    if account.closed_at is not None:
        raise Unauthorised(f"the account {account.name} is closed")
    return await open_session(at, account, "signed in through the identity provider")


def require(who: SignedIn | str, permission: Permission) -> None:
    """Refuse who may not; a plain name is a command on the server itself.

    Raises:
        Refused: the role does not allow it.
    """
    if isinstance(who, SignedIn) and not who.may(permission):
        raise Refused(f"{who.name} is {who.role.value}, which does not allow to {permission.value}")


def digest(token: str) -> bytes:
    """What is kept of a session's token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def form_token(session_token: str) -> str:
    """What a form of this session has to show; it does not tell the session's token."""
    return hmac.new(session_token.encode(), b"ampacity form", hashlib.sha256).hexdigest()


async def _hash(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise Unsuitable(f"a password has at least {SHORTEST_PASSWORD} characters")
    return await asyncio.to_thread(_HASHER.hash, password)


def _fits(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def _signed_in(account: Account) -> SignedIn:
    return SignedIn(account_no=account.account_no, name=account.name, full_name=account.full_name, role=account.role)
