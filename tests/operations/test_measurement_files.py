"""Files of measurements are taken in as a whole, once; late and corrected values become versions."""

import asyncio
import os
import time
from datetime import timedelta

import asyncpg
import numpy as np
import pandas as pd
import pytest

from ampacity.app.gateway.files import take_file, take_waiting
from ampacity.errors import Unsuitable
from ampacity.intake.drop_folder import LONGEST_S
from ampacity.operations.take_in import take_in
from ampacity.store.postgres import PostgresGrid
from ampacity.timegrid import Window, quarter_at
from tests.operations.conftest import DAYS, START

AT = START + timedelta(days=DAYS)
NOW = AT + timedelta(minutes=20)


def clock():
    return NOW


def write(file, load_w=1000.0, element_id="c1", start=AT):
    rows = pd.DataFrame(
        {"element_id": [element_id] * 3, "start": start.isoformat(), "phase": ["1", "2", "3"], "load_w": [load_w] * 3}
    )
    rows.to_parquet(file, index=False) if file.suffix == ".parquet" else rows.to_csv(file, index=False)
    return file


@pytest.fixture
async def grid(pool, given):
    grid = PostgresGrid(pool)
    await take_in(given, grid=grid, now=AT)
    return grid


async def stored(grid, known_at=NOW):
    return (await grid.loads("element", range(3), Window(quarter_at(AT), 1), known_at))[1, :, 0].tolist()


@pytest.mark.parametrize("name", ["north.csv", "north.csv.gz", "north.parquet"])
async def test_a_file_is_known_from_when_it_came_and_twice_changes_nothing(grid, tmp_path, name):
    file = write(tmp_path / name)

    first = await take_file(file, grid=grid, clock=clock)
    again = await take_file(file, grid=grid, clock=clock)

    assert first == f"{name}: 3 values added, 0 corrected"
    assert again == f"{name}: 0 values added, 0 corrected"
    assert await stored(grid) == [1000.0] * 3
    assert np.isnan(await stored(grid, NOW - timedelta(seconds=1))).all()


async def test_a_corrected_value_holds_from_when_it_came(grid, tmp_path):
    await take_file(write(tmp_path / "a.csv"), grid=grid, clock=clock)
    later = NOW + timedelta(minutes=5)

    told = await take_file(write(tmp_path / "b.csv", 900.0), grid=grid, clock=lambda: later)

    assert told == "b.csv: 0 values added, 3 corrected"
    assert await stored(grid, later) == [900.0] * 3
    assert await stored(grid, NOW) == [1000.0] * 3


async def test_a_file_of_what_is_not_there_or_yet_to_come_is_refused(grid, tmp_path):
    with pytest.raises(Unsuitable, match="nowhere"):
        await take_file(write(tmp_path / "a.csv", element_id="nowhere"), grid=grid, clock=clock)
    with pytest.raises(Unsuitable, match="yet to come"):
        await take_file(write(tmp_path / "b.csv", start=AT + timedelta(hours=1)), grid=grid, clock=clock)


async def test_a_drop_folder_is_emptied_and_says_what_was_wrong(grid, tmp_path):
    write(tmp_path / "1.csv")
    write(tmp_path / "2.parquet", element_id="nowhere")
    (tmp_path / "3.csv.part").write_text("still being written")

    told = await take_waiting(tmp_path, grid=grid, clock=clock)

    assert told == ["1.csv: 3 values added, 0 corrected", "2.parquet: refused, the reasons lie beside it"]
    assert {f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*") if f.is_file()} == {
        "3.csv.part", "done/1.csv", "refused/2.parquet", "refused/2.parquet.reasons.txt",
    }  # fmt: skip
    assert await stored(grid) == [1000.0] * 3


def files_in(folder) -> set[str]:
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


async def test_of_two_servers_on_a_drop_folder_each_file_is_taken_by_one(pool, grid, tmp_path):
    names = [f"{n}.csv" for n in range(12)]
    for n, name in enumerate(names):
        write(tmp_path / name, start=AT - timedelta(hours=n + 1))

    told = await asyncio.gather(*(take_waiting(tmp_path, grid=g, clock=clock) for g in (grid, PostgresGrid(pool))))

    assert sorted(told[0] + told[1]) == sorted(f"{name}: 0 values added, 3 corrected" for name in names)
    assert files_in(tmp_path) == {f"done/{name}" for name in names}


async def test_the_file_of_a_server_that_died_is_taken_by_another(grid, tmp_path):
    for age_s, server in ((LONGEST_S + 60, "dead"), (LONGEST_S - 60, "busy")):
        taken = tmp_path / "taken" / server
        taken.mkdir(parents=True)
        write(taken / f"{server}.csv")
        os.utime(taken, (time.time() - age_s,) * 2)

    told = await take_waiting(tmp_path, grid=grid, clock=clock)

    assert told == ["dead.csv: 3 values added, 0 corrected"]
    assert files_in(tmp_path) == {"done/dead.csv", "taken/busy/busy.csv"}


async def test_a_file_that_could_not_be_stored_waits_on(pool, grid, tmp_path):
    write(tmp_path / "1.csv")
    await pool.execute("alter table load_block rename to away")

    with pytest.raises(asyncpg.UndefinedTableError):
        await take_waiting(tmp_path, grid=grid, clock=clock)

    assert files_in(tmp_path) == {"1.csv"}
    await pool.execute("alter table away rename to load_block")
    assert await take_waiting(tmp_path, grid=grid, clock=clock) == ["1.csv: 3 values added, 0 corrected"]
