"""The schema grows by numbered steps, and every statement fits it."""

import struct

import asyncpg
import pytest

from ampacity.errors import Conflict
from ampacity.store.migrations import migrate, migrations
from ampacity.store.sql import statements


async def test_every_statement_fits_the_schema(pool):
    async with pool.acquire() as connection, connection.transaction():
        for text in statements().values():
            if text.startswith("create temporary table"):
                await connection.execute(text)
        for name, text in statements().items():
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as wrong:
                pytest.fail(f"{name}: {wrong}")


async def test_a_second_migration_changes_nothing(pool):
    async with pool.acquire() as connection:
        assert await migrate(connection) == []


async def test_a_step_with_other_text_than_was_taken_is_refused(pool):
    async with pool.acquire() as connection:
        await connection.execute("update migration set checksum = 'x' where name = $1", migrations()[0].name)

        with pytest.raises(Conflict, match="other text"):
            await migrate(connection)


async def test_a_database_from_a_newer_version_is_refused(pool):
    async with pool.acquire() as connection:
        await connection.execute("insert into migration (name, checksum) values ('9999_future', 'x')")

        with pytest.raises(Conflict, match="newer"):
            await migrate(connection)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, 84_123.5, 1e-3, -3.25e7])
async def test_packed_values_can_be_read_in_sql(pool, value):
    packed = struct.pack("<2f", 7.0, value)

    read = await pool.fetchval("select float32_at($1, 1)", packed)

    assert struct.pack("<f", read) == struct.pack("<f", value)
