"""People prove who they are; who guesses is stopped; every act stands in the log."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ampacity.errors import Conflict, Refused, Unauthorised, Unsuitable
from ampacity.operations.accounts import (
    add_account,
    change_account,
    sign_in,
    sign_in_by_claims,
    sign_out,
    who_is,
)
from ampacity.people import Role
from tests.operations.people import PASSWORD, Hands, person, reception

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.fixture
def wall() -> Hands:
    return Hands(NOW)


async def test_who_signs_in_is_known_until_signing_out(pool, wall):
    at = reception(pool, wall)
    await person(pool, "ada", Role.OPERATOR, wall)

    token = await sign_in(at, "ada", PASSWORD, "127.0.0.1")
    who = await who_is(at, token)
    await sign_out(at, who, token)

    assert (who.name, who.role) == ("ada", Role.OPERATOR)
    assert await who_is(at, token) is None


async def test_neither_password_nor_token_can_be_read_from_the_database(pool, wall):
    at = reception(pool, wall)
    await person(pool, "ada", Role.OPERATOR, wall)
    token = await sign_in(at, "ada", PASSWORD, "127.0.0.1")

    stored = str(await pool.fetch("select * from account")) + str(await pool.fetch("select * from console_session"))

    assert PASSWORD not in stored
    assert token not in stored
    assert "$argon2id$" in stored


@pytest.mark.parametrize("hours", [9, 25])
async def test_a_session_ends_when_idle_or_too_long(pool, wall, hours):
    at = reception(pool, wall)
    await person(pool, "ada", Role.OPERATOR, wall)
    token = await sign_in(at, "ada", PASSWORD, "127.0.0.1")
    for _ in range(hours if hours > 24 else 1):
        wall.at += timedelta(hours=hours if hours < 24 else 1)
        who = await who_is(at, token)

    assert who is None


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD)])
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(pool, wall, name, password):
    await person(pool, "ada", Role.OPERATOR, wall)

    with pytest.raises(Unauthorised, match=r"^name and password do not fit$"):
        await sign_in(reception(pool, wall), name, password, "127.0.0.1")


async def test_after_five_failures_even_the_right_password_has_to_wait(pool, wall):
    at = reception(pool, wall)
    await person(pool, "ada", Role.OPERATOR, wall)
    for _ in range(5):
        with pytest.raises(Unauthorised):
            await sign_in(at, "ada", "guess", "127.0.0.1")

    with pytest.raises(Refused, match="wait 15 minutes"):
        await sign_in(at, "ada", PASSWORD, "127.0.0.2")
    wall.at += timedelta(minutes=16)

    assert await who_is(at, await sign_in(at, "ada", PASSWORD, "127.0.0.2")) is not None


async def test_an_address_that_tries_many_names_has_to_wait(pool, wall):
    at = reception(pool, wall)
    for i in range(30):
        with pytest.raises(Unauthorised):
            await sign_in(at, f"name{i}", "guess", "10.0.0.1")

    with pytest.raises(Refused):
        await sign_in(at, "another", "guess", "10.0.0.1")


async def test_a_closed_account_is_out_at_once(pool, wall):
    at = reception(pool, wall)
    admin = await person(pool, "grace", Role.ADMIN, wall)
    await person(pool, "ada", Role.OPERATOR, wall)
    token = await sign_in(at, "ada", PASSWORD, "127.0.0.1")

    await change_account(at, admin, "ada", role=Role.OPERATOR, full_name="", password=None, is_closed=True)

    assert await who_is(at, token) is None
    with pytest.raises(Unauthorised):
        await sign_in(at, "ada", PASSWORD, "127.0.0.1")


async def test_only_an_administrator_keeps_accounts(pool, wall):
    operator = await person(pool, "ada", Role.OPERATOR, wall)

    with pytest.raises(Refused, match="ada is operator"):
        await add_account(reception(pool, wall), operator, "eve", Role.ADMIN, password=PASSWORD)


async def test_the_last_administrator_stays(pool, wall):
    admin = await person(pool, "grace", Role.ADMIN, wall)

    with pytest.raises(Conflict, match="only administrator"):
        await change_account(
            reception(pool, wall), admin, "grace", role=Role.VIEWER, full_name="", password=None, is_closed=False
        )


async def test_a_short_password_and_a_taken_name_are_refused(pool, wall):
    at = reception(pool, wall)
    await person(pool, "ada", Role.VIEWER, wall)

    with pytest.raises(Unsuitable, match="12 characters"):
        await add_account(at, "test", "eve", Role.VIEWER, password="short")
    with pytest.raises(Conflict, match="account ada already"):
        await add_account(at, "test", "ada", Role.VIEWER, password=PASSWORD)


async def test_who_comes_from_an_identity_provider_needs_a_role(pool, wall):
    at = reception(pool, wall)

    with pytest.raises(Unauthorised, match="no role"):
        await sign_in_by_claims(at, "sub-1", "alan", "Alan", None)
    token = await sign_in_by_claims(at, "sub-1", "alan", "Alan", Role.PLANNER)
    again = await sign_in_by_claims(at, "sub-1", "alan", "Alan", Role.VIEWER)

    assert (await who_is(at, token)).role is Role.VIEWER
    assert (await who_is(at, again)).name == "alan"


async def test_the_log_cannot_be_changed(pool, wall):
    await person(pool, "ada", Role.VIEWER, wall)

    assert await pool.fetchval("select what from act") == "added an account"
    for change in ("update act set who = 'x'", "delete from act"):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await pool.execute(change)
