"""Each command does its job or refuses with a reason, in words and as JSON."""

import csv
import json
import shutil
import subprocess
import sys
from datetime import datetime, timedelta

import asyncpg
import pytest

from ampacity.app.clock import wall_clock
from ampacity.intake.bundled import bundled_folder
from ampacity.operations.limits import set_limit
from ampacity.people import LimitKind, NewLimit, Role
from ampacity.store.pool import connect
from tests.acceptance.commands import run
from tests.operations.people import limit_desk, person

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


async def test_what_the_console_shows_is_told_in_the_terminal_too(on, dsn):
    run("import", str(bundled_folder()), **on)
    run("cycle", "--at", AT, **on)
    await propose_an_override(dsn)

    rows = json.loads(run("overview", "--at", AT, "--json", **on).stdout)
    table = run("overview", "--at", AT, "--find", "feeder-1", **on).stdout
    limits = run("limits", "--at", AT, **on).stdout
    log = list(csv.DictReader(run("audit", "--about", "element/feeder-1", **on).stdout.splitlines()))
    lines = [json.loads(line) for line in run("audit", "--json", **on).stdout.splitlines()]
    wrong = run("overview", "--state", "fine", **on)

    assert len(rows) == 8
    assert rows == sorted(rows, key=lambda r: r["headroom_w"])
    assert {r["state"] for r in rows} == {"ok"}
    assert "feeder-1" in table
    assert "feeder-2" not in table
    assert "feeder-1  override of 20.0 kW a phase" in limits
    assert "2016-06-05 12:00 to 2016-06-05 16:00 UTC, ada: cable moved" in limits
    assert [(a["who"], a["about"]) for a in log] == [("ada", "element/feeder-1")]
    assert {a["what"] for a in lines} >= {"decided: cycle", "added an account", log[0]["what"]}
    assert wrong.returncode == 2
    assert "over, tight, unknown, ok" in wrong.stderr.replace("\n", " ").replace("│", "")


async def propose_an_override(dsn: str) -> None:
    begin = datetime.fromisoformat(AT)
    pool = await connect(dsn, max_size=2)
    ada = await person(pool, "ada", Role.OPERATOR, wall_clock)
    feeder = await pool.fetchval("select element_no from element where element_id = 'feeder-1'")
    override = NewLimit(
        element_no=feeder, kind=LimitKind.OVERRIDE, reason="cable moved", at_once=False, limit_w=20_000.0,
        starts_at=begin, ends_at=begin + timedelta(hours=4),
    )  # fmt: skip
    await set_limit(limit_desk(pool, lambda: begin, wall_clock), ada, override)
    await pool.close()


LOADED = """
import sys
from ampacity.app.cli import main
sys.argv = ["ampacity", "overview", "--help"]
try:
    main()
finally:
    print(sorted({"litestar", "pandas", "plotly", "statsmodels"} & sys.modules.keys()))
"""


def test_a_short_command_loads_neither_the_server_nor_what_reads_files():
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)

    assert "Usage: ampacity overview" in said.stdout
    assert said.stdout.splitlines()[-1] == "[]", said.stderr
