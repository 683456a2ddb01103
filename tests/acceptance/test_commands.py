"""Each command does its job or refuses with a reason, in words and as JSON."""

import csv
import json
import shutil

import asyncpg
import pytest

from ampacity.intake.bundled import bundled_folder
from tests.acceptance.commands import run

AT = "2016-06-05T12:00:00Z"


@pytest.fixture
def on(dsn) -> dict[str, str]:
    return {"DATABASE_URL": dsn}


async def count(dsn: str, table: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(f"select count(*) from {table}")
    finally:
        await connection.close()


async def test_a_second_import_changes_nothing(on, dsn):
    first = run("import", str(bundled_folder()), "--json", **on)
    blocks = await count(dsn, "load_block")

    second = run("import", str(bundled_folder()), **on)

    assert json.loads(first.stdout)["values_added"] == 161_280
    assert "everything was there already" in second.stdout
    assert await count(dsn, "load_block") == blocks


async def test_a_wrong_folder_lists_all_its_faults_and_imports_nothing(on, dsn, tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(bundled_folder(), folder)
    with (folder / "elements.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[1]["rated_current_a"] = "-5"
    rows[2]["parent_id"] = "nowhere"
    with (folder / "elements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)

    done = run("import", str(folder), **on)

    assert done.returncode == 1
    assert "elements.csv, line 3, column rated_current_a" in done.stderr
    assert "nowhere" in done.stderr
    assert await count(dsn, "element") == 0


async def test_a_quarter_hour_is_decided_once_and_told_the_same_again(on, dsn):
    run("import", str(bundled_folder()), **on)

    first = run("cycle", "--at", AT, "--json", **on)
    second = run("cycle", "--at", AT, "--json", **on)

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == json.loads(second.stdout)
    assert json.loads(first.stdout)["slot"] == AT
    assert await count(dsn, "decision") == 1


def test_a_cycle_without_a_grid_says_what_to_do_first(on):
    done = run("cycle", "--at", AT, **on)

    assert done.returncode == 1
    assert "import a folder first" in done.stderr


def test_an_invitation_has_what_a_provider_needs(on):
    run("import", str(bundled_folder()), **on)

    done = run("peers", "add", "north-charging", "--json", AMPACITY_SERVER_PUBLIC_URL="https://cp.example/", **on)

    invitation = json.loads(done.stdout)
    assert invitation["provider_id"] == "north-charging"
    assert invitation["base_url"] == "https://cp.example/oscp/cp/2.0"
    assert len(invitation["token"]) == 64
    assert invitation["token"] not in run("peers", "list", **on).stdout


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["peers", "add", "nobody"], 1, "nobody"),
        (["peers", "add", "north-charging", "--url", "http://example.org"], 1, "go together"),
        (["cycle", "--at", "2016-06-05T12:00:00"], 2, "has no zone"),
        (["cycle", "--at", "yesterday"], 2, "no ISO 8601 time"),
        (["import", "no/such/folder"], 1, "no folder"),
        (["cycle", "--config", "no-such-file.toml"], 1, "no-such-file.toml cannot be read"),
        (["fly"], 2, "fly"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(on, words, code, reason):
    done = run(*words, **on)

    assert done.returncode == code
    assert reason in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AMPACITY_CYCLE_HORIZON_H", "12", "horizon_h is 12"),
        ("AMPACITY_CYCLE_HORIZON", "30", "AMPACITY_CYCLE_HORIZON is unknown"),
        ("AMPACITY_SERVER_PORT", "many", "[server]"),
        ("AMPACITY_FORECAST_ZONE", "Europe/Nowhere", "Nowhere"),
    ],
)
def test_a_wrong_setting_is_named(on, variable, value, reason):
    done = run("peers", "list", **on, **{variable: value})

    assert done.returncode == 1
    assert reason in done.stderr


def test_a_database_that_does_not_answer_is_told_without_its_password():
    done = run("peers", "list", DATABASE_URL="postgresql://me:hush@127.0.0.1:9/none")

    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_migrate_says_what_it_did(on):
    assert "up to date" in run("migrate", **on).stdout
