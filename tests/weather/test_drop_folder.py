"""Files of weather put into a folder."""

import numpy as np
import pytest

from ampacity.errors import Unsuitable
from ampacity.intake import DropFolder
from ampacity.weather import WeatherBatch


def rows():
    never, one = np.array(["2026-05-01T00:00:00"], "datetime64[s]"), np.ones(1)
    return WeatherBatch(
        available_at=never, valid_at=never, latitude=one, longitude=one, temperature_c=one,
        global_radiation_w_m2=one, wind_speed_m_s=one,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b.csv").write_text("b")
    (tmp_path / "a.csv.gz").write_text("a")
    (tmp_path / "c.csv.part").write_text("half")
    return tmp_path


def test_complete_files_wait_in_the_order_of_their_names(folder):
    assert [f.name for f in DropFolder(folder=folder, read=lambda _: rows()).waiting()] == ["a.csv.gz", "b.csv"]
    assert DropFolder(folder=folder / "nowhere", read=lambda _: rows()).waiting() == []


def test_a_file_is_taken_once(folder):
    drop = DropFolder(folder=folder, read=lambda _: rows())
    first = drop.waiting()[0]

    found = drop.take(first)
    drop.done(first)

    assert len(found) == 1
    assert [f.name for f in drop.waiting()] == ["b.csv"]
    assert (folder / "done" / "a.csv.gz").read_text() == "a"


def test_a_wrong_file_is_put_aside_with_the_reasons(folder):
    def refuse(file):
        raise Unsuitable(f"{file.name}, line 2, temperature_c: 900 is above 70 °C")

    drop = DropFolder(folder=folder, read=refuse)

    assert drop.take(drop.waiting()[1]) is None

    assert (folder / "refused" / "b.csv").exists()
    assert "900 is above 70" in (folder / "refused" / "b.csv.reasons.txt").read_text()


def test_a_second_file_of_the_same_name_does_not_replace_the_first(folder):
    drop = DropFolder(folder=folder, read=lambda _: rows())
    drop.done(folder / "b.csv")
    (folder / "b.csv").write_text("again")

    drop.done(folder / "b.csv")

    assert {f.name for f in (folder / "done").iterdir()} == {"b.csv", "1-b.csv"}
