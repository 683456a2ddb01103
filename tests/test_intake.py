"""A folder of files is read as a whole, its energy kept, or refused with everything that is wrong with it."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.errors import NotFound, Unsuitable
from ampacity.intake import LoadSeries, read_folder
from ampacity.timegrid import Window, quarter_at

ELEMENTS = """\
element_id,kind,parent_id,nominal_voltage_v,rated_current_a,rated_power_va,phases,latitude,longitude,name
t,transformer,,400,,630000,123,52.1,5.3,Transformer
c,cable,t,400,270,,123,,,"Cable, long"
s,cable,t,400,60,,2,,,
"""
GROUPS = """\
group_id,provider_id,element_id,phases,contracted_import_w,firm_import_w,contracted_export_w,firm_export_w,unit
g,p,c,123,90000,9000,0,0,A
h,p,s,2,9000,900,0,0,KW
"""
PROVIDERS = "provider_id,name\np,Provider\n"
MEASUREMENTS = """\
element_id,start,phase,load_w
t,2026-01-01T00:00:00Z,all,3000
t,2026-01-01T00:15:00Z,all,6000
c,2026-01-01T00:00:00Z,1,100
c,2026-01-01T00:15:00Z,1,-200
"""
GROUP_MEASUREMENTS = "group_id,start,phase,load_w\ng,2026-01-01T00:00:00Z,all,30\n"
WEATHER = """\
available_at,valid_at,latitude,longitude,temperature_c,global_radiation_w_m2,wind_speed_m_s
,2026-01-01T00:00:00Z,52.1,5.3,4.5,0,
2025-12-31T00:00:00Z,2026-01-01T01:00:00Z,52.1,5.3,-1,12.5,7
"""
MIDNIGHT = quarter_at(datetime(2026, 1, 1, tzinfo=UTC))


def write_sound(folder: Path) -> None:
    for name, text in {
        "elements": ELEMENTS, "groups": GROUPS, "providers": PROVIDERS, "measurements": MEASUREMENTS,
        "group_measurements": GROUP_MEASUREMENTS, "weather": WEATHER,
    }.items():  # fmt: skip
        (folder / f"{name}.csv").write_text(text)


@pytest.fixture
def folder(tmp_path):
    """A sound folder; tests break it."""
    write_sound(tmp_path)
    return tmp_path


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(Unsuitable) as caught:
        read_folder(folder)
    return list(caught.value.faults)


def readings(*rows: str) -> str:
    return "\n".join(["element_id,start,phase,load_w", *rows, ""])


def series(element: str, minutes: int, loads_w: list[float], start: str = "2026-01-01T00:00Z", phase: str = "1") -> str:
    times = pd.date_range(start, periods=len(loads_w), freq=f"{minutes}min")
    return readings(*(f"{element},{t.isoformat()},{phase},{w}" for t, w in zip(times, loads_w, strict=True)))


def test_a_sound_folder_gives_its_grid_loads_and_weather(folder):
    given = read_folder(folder)

    assert [e.element_id for e in given.network.elements] == ["t", "c", "s"]
    assert given.network.elements[1].name == "Cable, long"
    assert given.network.elements[2].phases == (2,)
    assert given.network.groups[1].unit == "KW"
    assert given.measurements.window == Window(MIDNIGHT, 2)
    np.testing.assert_array_equal(given.measurements.load_w[0], [[1000, 2000]] * 3)
    np.testing.assert_array_equal(given.measurements.load_w[1], [[100, -200], [np.nan] * 2, [np.nan] * 2])
    assert np.isnan(given.measurements.load_w[2]).all()
    assert given.measurements.load_w.dtype == np.float32
    np.testing.assert_array_equal(given.group_measurements.load_w[0], [[10.0]] * 3)
    assert np.isnan(given.weather.available_at).tolist() == [True, False]
    assert given.weather.valid_at[1] == np.datetime64("2026-01-01T01:00:00")
    assert given.weather.temperature_c.tolist() == [4.5, -1.0]
    assert np.isnan(given.weather.wind_speed_m_s[0])


def test_all_is_spread_on_the_phases_that_the_element_has(folder):
    (folder / "measurements.csv").write_text(series("s", 15, [5.0], phase="all"))

    load_w = read_folder(folder).measurements.load_w

    np.testing.assert_array_equal(load_w[2, :, 0], [np.nan, 5.0, np.nan])


def test_the_order_of_the_columns_is_free(folder):
    table = pd.read_csv(folder / "measurements.csv", dtype=str)
    table[["load_w", "phase", "element_id", "start"]].to_csv(folder / "measurements.csv", index=False)

    assert read_folder(folder).measurements.load_w[1, 0].tolist() == [100, -200]


def test_a_contract_may_say_all_or_nothing_and_need_not(folder):
    lines = GROUPS.splitlines()
    (folder / "groups.csv").write_text(
        "\n".join([lines[0] + ",all_or_nothing", lines[1] + ",true", lines[2] + ",", ""]), encoding="utf-8"
    )

    assert [g.all_or_nothing for g in read_folder(folder).network.groups] == [True, False]


def test_all_or_nothing_is_true_or_false(folder):
    lines = GROUPS.splitlines()
    (folder / "groups.csv").write_text(
        "\n".join([lines[0] + ",all_or_nothing", lines[1] + ",maybe", lines[2] + ",false", ""]), encoding="utf-8"
    )

    [fault] = faults_of(folder)
    assert "all_or_nothing" in fault
    assert "must be true, false or empty ('maybe')" in fault


def test_numbers_as_names_keep_their_zeros(folder):
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().replace("\nc,", "\n007,").replace(",c,", ",007,"))

    given = read_folder(folder)

    assert given.network.elements[1].element_id == "007"
    assert given.measurements.load_w[1, 0].tolist() == [100, -200]


def test_zipped_text_reads_like_text(folder):
    (folder / "measurements.csv.gz").write_bytes(gzip.compress(MEASUREMENTS.encode()))
    (folder / "measurements.csv").unlink()

    assert read_folder(folder).measurements.load_w[1, 0].tolist() == [100, -200]


def test_a_byte_order_mark_windows_lines_and_an_empty_last_line_are_no_faults(folder):
    text = MEASUREMENTS.replace("\n", "\r\n") + "\r\n"
    (folder / "measurements.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert read_folder(folder).measurements.load_w[1, 0].tolist() == [100, -200]


@pytest.mark.parametrize("typed", [True, False])
def test_parquet_reads_like_text(folder, typed):
    before = read_folder(folder)
    for path in list(folder.glob("*.csv")):
        table = pd.read_csv(path, dtype=None if typed else str, keep_default_na=typed)
        for column in ("start", "available_at", "valid_at") if typed else ():
            if column in table:
                table[column] = pd.to_datetime(table[column], utc=True)
        if typed and "phases" in table:
            table["phases"] = table["phases"].astype(str)
        table.to_parquet(path.with_suffix(".parquet"))
        path.unlink()

    after = read_folder(folder)

    assert after.network.elements == before.network.elements
    assert after.network.groups == before.network.groups
    np.testing.assert_array_equal(after.measurements.load_w, before.measurements.load_w)
    for name in before.weather.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(after.weather, name), getattr(before.weather, name))


def test_a_wrong_row_of_parquet_is_named_by_its_number(folder):
    table = pd.read_csv(folder / "measurements.csv", dtype={"phase": str})
    table["start"] = pd.to_datetime(table["start"]).dt.tz_localize(None)
    table.to_parquet(folder / "measurements.parquet")
    (folder / "measurements.csv").unlink()

    assert "measurements.parquet, row 1, column start: has no time zone" in faults_of(folder)[0]


def test_parquet_with_an_index_of_pandas_reads_too(folder):
    table = pd.read_csv(folder / "measurements.csv", dtype={"phase": "category", "element_id": "category"})
    table["start"] = pd.to_datetime(table["start"]).dt.tz_convert("Asia/Kolkata").dt.as_unit("ns")
    table.index = table.index * 3
    table.to_parquet(folder / "measurements.parquet")
    (folder / "measurements.csv").unlink()

    assert read_folder(folder).measurements.load_w[1, 0].tolist() == [100, -200]


def test_groups_may_have_drawn_nothing_and_weather_may_be_unknown(folder):
    (folder / "group_measurements.csv").unlink()
    (folder / "weather.csv").write_text(WEATHER.splitlines()[0] + "\n")

    given = read_folder(folder)

    assert given.group_measurements.load_w.shape == (2, 3, 0)
    assert len(given.weather) == 0


def test_moments_with_another_offset_are_the_same_moments(folder):
    (folder / "measurements.csv").write_text(readings("c,2026-01-01T02:00:00+02:00,1,5"))

    assert read_folder(folder).measurements.window == Window(MIDNIGHT, 1)


@pytest.mark.parametrize(
    ("minutes", "loads_w", "quarters_w"),
    [
        (5, [3, 6, 9, 1, 1, 1], [6, 1]),
        (10, [10, 20, 30, 40, 50, 60], [40 / 3, 80 / 3, 130 / 3, 170 / 3]),
        (15, [1, 2, 3], [1, 2, 3]),
        (30, [4, 8], [4, 4, 8, 8]),
        (60, [7, -7], [7] * 4 + [-7] * 4),
    ],
)
def test_each_interval_is_brought_to_quarter_hours(folder, minutes, loads_w, quarters_w):
    (folder / "measurements.csv").write_text(series("c", minutes, loads_w))

    np.testing.assert_allclose(read_folder(folder).measurements.load_w[1, 0], quarters_w, rtol=1e-6)


@given(
    minutes=st.sampled_from([5, 10, 15, 30, 60]),
    hours=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_whole_hours_keep_their_energy(tmp_path_factory, minutes, hours, seed):
    folder = tmp_path_factory.mktemp("energy")
    for name, text in {"elements": ELEMENTS, "groups": GROUPS, "providers": PROVIDERS}.items():
        (folder / f"{name}.csv").write_text(text)
    loads_w = np.random.default_rng(seed).integers(-5000, 5000, hours * 60 // minutes).tolist()
    (folder / "measurements.csv").write_text(series("t", minutes, loads_w, phase="all"))

    load_w = read_folder(folder).measurements.load_w

    assert load_w.shape[2] == hours * 4 or len(loads_w) == 1
    energy_wh = np.float64(load_w[0]).sum() / 4
    if len(loads_w) > 1:
        assert energy_wh == pytest.approx(sum(loads_w) * minutes / 60, abs=0.05)


def test_a_quarter_that_is_not_wholly_covered_stays_unknown(folder):
    text = series("c", 5, [3, 6, 9, 1, 1, 1]).splitlines()
    (folder / "measurements.csv").write_text("\n".join(text[:2] + text[3:]) + "\n")

    load_w = read_folder(folder).measurements.load_w[1, 0]

    assert np.isnan(load_w[0])
    assert load_w[1] == 1


def test_a_gap_stays_a_gap(folder):
    text = series("c", 15, [1, 2, 3, 4, 5, 6]).splitlines()
    (folder / "measurements.csv").write_text("\n".join(text[:3] + text[5:]) + "\n")

    np.testing.assert_array_equal(read_folder(folder).measurements.load_w[1, 0], [1, 2, np.nan, np.nan, 5, 6])


def test_elements_may_have_different_intervals(folder):
    text = series("c", 60, [1, 2]) + series("t", 15, [1, 2, 3, 4, 5, 6, 7, 8]).split("\n", 1)[1]
    (folder / "measurements.csv").write_text(text)

    load_w = read_folder(folder).measurements.load_w

    assert load_w[0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert load_w[1, 0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_the_same_reading_twice_is_taken_once(folder):
    (folder / "measurements.csv").write_text(MEASUREMENTS + "c,2026-01-01T00:00:00Z,1,100.0\n")

    assert read_folder(folder).measurements.load_w[1, 0].tolist() == [100, -200]


def test_progress_tells_how_much_of_a_file_has_been_read(folder):
    told: list[tuple[str, int, int]] = []

    read_folder(folder, progress=lambda name, done, size: told.append((name, done, size)))

    size = (folder / "measurements.csv").stat().st_size
    assert ("measurements.csv", size, size) in told


def test_another_window_of_a_series_has_gaps_where_nothing_was_measured():
    given = LoadSeries(window=Window(10, 2), load_w=np.arange(6, dtype=np.float32).reshape(1, 3, 2))

    np.testing.assert_array_equal(given.over(Window(11, 2))[0, 0], [1, np.nan])
    assert given.over(Window(0, 0)).shape == (1, 3, 0)
    assert np.isnan(given.over(Window(20, 3))).all()


FAULTY = [
    ("elements", "c,cable,t,400,270", "c,cable,x,400,270", "line 3, column parent_id: element c: parent x is not in t"),
    ("elements", "t,transformer,,", "t,transformer,c,", "column parent_id: element t: its parents lead back to itself"),
    ("elements", "c,cable,t,400,270", "c,cable,,400,270", "line 3, column parent_id: element c: has no parent_id, whi"),
    ("elements", "400,270,", "400,-270,", "line 3, column rated_current_a: element c: rated_current_a is -270.0, must"),
    ("elements", "400,270,", "400,27O,", "line 3, column rated_current_a: is no finite number ('27O')"),
    ("elements", "400,270,", "nan,270,", "line 3, column nominal_voltage_v: is no finite number ('nan')"),
    ("elements", "400,270,,123", "400,,,123", "line 3, column rated_current_a: element c: give one of rated_current_a"),
    ("elements", "400,270,,123", "400,270,,1234", "line 3, column phases: must be some of 1, 2, 3, each once"),
    ("elements", "400,270,,123", "400,270,,11", "line 3, column phases: must be some of 1, 2, 3, each once"),
    ("elements", "\ns,cable", "\nt,cable", "line 4, column element_id: element t is there 2 times"),
    ("elements", "52.1,5.3", "152.1,5.3", "line 2, column latitude: element t: latitude is 152.1"),
    ("elements", "parent_id,", "parent,", "line 1: the column 'parent_id' is missing"),
    ("elements", "parent_id,", "parent_id,colour,", "line 1: the column 'colour' is unknown"),
    ("elements", "name\n", "name,name\n", "line 1: the column 'name' is there 2 times"),
    ("groups", "g,p,c", "g,q,c", "line 2, column provider_id: group g: provider q is not known"),
    ("groups", "g,p,c", "g,p,x", "line 2, column element_id: group g: element x is not in the grid"),
    ("groups", "h,p,s,2", "h,p,s,12", "line 3, column phases: group h: phases (1, 2) are not all phases of element s"),
    ("groups", "90000,9000", "90000,-1", "line 2, column firm_import_w: group g: firm_import_w is -1.0, must be 0 or"),
    ("groups", "0,0,KW", "0,0,kW", "line 3, column unit: must be one of A, W, KW ('kW')"),
    ("providers", "p,Provider", "p,Provider\np,Again", "line 3, column provider_id: provider p is there 2 times"),
    ("measurements", "c,2026-01-01T00:15", "x,2026-01-01T00:15", "line 5, column element_id: is no element of this fo"),
    ("measurements", "00:15:00Z,1", "00:15:00,1", "line 5, column start: has no time zone"),
    ("measurements", "00:15:00Z,1", "25:15:00Z,1", "line 5, column start: is no time"),
    ("measurements", "2026-01-01T00:15:00Z,1", "now,1", "line 5, column start: "),
    ("measurements", "00:15:00Z,1", "00:14:00Z,1", "line 5, column start: is off the grid of this series of 15 minute"),
    ("measurements", "00:15:00Z,1", "00:15:00.5Z,1", "line 5, column start: is no whole second"),
    ("measurements", "1,-200", "1,2OO", "line 5, column load_w: is no finite number ('2OO')"),
    ("measurements", "1,-200", "1,nan", "line 5, column load_w: is no finite number ('nan')"),
    ("measurements", "1,-200", "1,inf", "line 5, column load_w: is no finite number ('inf')"),
    ("measurements", "1,-200", "1,1e13", "line 5, column load_w: must be within -1e+12 and 1e+12 W"),
    ("measurements", "1,-200", "1,", "line 5, column load_w: is empty"),
    ("measurements", "1,-200", "1", "line 5, column load_w: is empty"),
    ("measurements", "1,-200", "1,-200,9", "line 5, column surplus cells: the header has no column for '9'"),
    ("measurements", "1,-200", "4,-200", "line 5, column phase: must be 1, 2, 3 or all ('4')"),
    ("measurements", "c,2026-01-01T00:15:00Z,1", "s,2026-01-01T00:15:00Z,1", "column phase: is no phase of this eleme"),
    ("measurements", "c,2026-01-01T00:15", "c,2025-12-31T00:15", "line 5, column start: comes after 2026-01-01T00:00:"),
    ("measurements", "c,2026-01-01T00:15", "c,2026-01-01T00:00", "line 5, column load_w: measurements.csv, line 4 giv"),
    ("measurements", "00:15:00Z,1", "00:00:00Z,all", "line 5, column phase: is `all`, and single phases"),
    ("measurements", "t,2026-01-01T00:15", "t,2226-01-01T00:15", "line 2, column start: lies 200 years before"),
    ("group_measurements", "g,2026", "x,2026", "line 2, column group_id: is no group of this folder ('x')"),
    ("weather", "2026-01-01T00:00:00Z,52", "2026-01-01T00:00:00,52", "line 2, column valid_at: has no time zone"),
    ("weather", "2025-12-31T00:00:00Z,", "yesterday,", "line 3, column available_at: is no time"),
    ("weather", "4.5,", "293.15,", "line 2, column temperature_c: must be within -100 and 70 °C ('293.15')"),
    ("weather", "4.5,", "nan,", "line 2, column temperature_c: is no finite number ('nan')"),
    ("weather", "52.1,5.3,-1", ",5.3,-1", "line 3, column latitude: is empty"),
    (
        "weather",
        "2025-12-31T00:00:00Z,2026-01-01T01:00:00Z",
        ",2026-01-01T00:00:00Z",
        "line 3, column valid_at: an earlier line gives other weather",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "sound", "broken", "fault"), FAULTY)
def test_a_fault_is_named_with_file_line_column_and_reason(folder, table, sound, broken, fault):
    path = folder / f"{table}.csv"
    assert sound in path.read_text()
    path.write_text(path.read_text().replace(sound, broken, 1))

    faults = faults_of(folder)

    assert any(f.startswith(f"{table}.csv, line ") and fault in f for f in faults), faults


@pytest.mark.parametrize("table", ["elements", "groups", "providers", "measurements"])
def test_a_missing_file_is_a_fault(folder, table):
    (folder / f"{table}.csv").unlink()

    assert faults_of(folder) == [f"{table}.csv: is missing"]


def test_measurements_without_a_reading_are_a_fault(folder):
    (folder / "measurements.csv").write_text("element_id,start,phase,load_w\n")

    assert faults_of(folder) == ["measurements.csv: holds no readings"]


def test_two_files_of_one_table_are_a_fault(folder):
    (folder / "measurements.csv.gz").write_bytes(gzip.compress(MEASUREMENTS.encode()))

    assert faults_of(folder) == ["measurements.csv: measurements.csv.gz is there too: keep one of them"]


def test_a_series_of_another_rhythm_is_one_fault(folder):
    (folder / "measurements.csv").write_text(series("c", 20, [1, 2, 3, 4, 5]))

    assert faults_of(folder) == [
        (
            "measurements.csv, line 2, column start: most readings of this element are not "
            "5, 10, 15, 30 or 60 minutes apart"
        )
    ]


def test_every_fault_of_every_file_is_listed_at_once(folder):
    for table, sound, broken, _ in (FAULTY[4], FAULTY[14], FAULTY[20], FAULTY[-5]):
        path = folder / f"{table}.csv"
        path.write_text(path.read_text().replace(sound, broken, 1))

    assert len(faults_of(folder)) == 4


def test_faults_elsewhere_are_listed_even_when_a_table_is_missing(folder):
    (folder / "providers.csv").unlink()
    for table, sound, broken, _ in (FAULTY[1], FAULTY[24], FAULTY[-5]):
        path = folder / f"{table}.csv"
        path.write_text(path.read_text().replace(sound, broken, 1))

    assert [fault.split(".csv")[0] for fault in faults_of(folder)] == [
        "providers",
        "elements",
        "measurements",
        "weather",
    ]


def test_of_very_many_faults_the_first_are_listed_and_the_others_counted(folder):
    (folder / "measurements.csv").write_text(readings(*(f"x,2026-01-01T00:00:00Z,1,{n}" for n in range(1234))))

    faults = faults_of(folder)

    assert len(faults) == 101
    assert faults[99].startswith("measurements.csv, line 101,")
    assert faults[100] == "measurements.csv: 1134 more faults"


def test_text_that_is_not_utf8_is_named_with_its_line(folder):
    (folder / "measurements.csv").write_bytes(MEASUREMENTS.encode() + b"\xff,2026-01-01T00:30:00Z,1,1\n")

    assert faults_of(folder) == ["measurements.csv, line 6: is not UTF-8"]


def test_half_a_zip_is_a_fault(folder):
    packed = gzip.compress(MEASUREMENTS.encode())
    (folder / "measurements.csv").unlink()
    (folder / "measurements.csv.gz").write_bytes(packed[: len(packed) // 2])

    assert "measurements.csv.gz" in faults_of(folder)[0]


def test_an_open_quote_is_a_fault(folder):
    (folder / "measurements.csv").write_text(MEASUREMENTS + '"c,2026-01-01T00:30:00Z,1,1\n')

    assert "cannot be read on" in faults_of(folder)[0]


@pytest.mark.parametrize("header", ["element_id,start\rphase", '"element_id', "", "element_id;start;phase;load_w"])
def test_a_header_that_is_none_is_a_fault(folder, header):
    (folder / "measurements.csv").write_text(header + "\n" + MEASUREMENTS.split("\n", 1)[1])

    assert all(fault.startswith("measurements.csv") for fault in faults_of(folder))


TABLES = ["elements", "groups", "providers", "measurements", "group_measurements", "weather"]
SNIPPETS = [
    b"",
    b",",
    b"\n",
    b'"',
    b"\x00",
    b"\xff",
    b"nan",
    b"-",
    b"1e999",
    b"all",
    b"t",
    b"1677-01-01T00:00:00Z",
    b"\r",
]


@settings(max_examples=60, deadline=None)
@given(
    table=st.sampled_from(TABLES),
    at=st.floats(0, 1),
    gone=st.integers(0, 20),
    snippet=st.sampled_from(SNIPPETS),
)
def test_whatever_happens_to_a_file_it_is_read_or_refused(tmp_path_factory, table, at, gone, snippet):
    folder = tmp_path_factory.mktemp("damaged")
    write_sound(folder)
    text = (folder / f"{table}.csv").read_bytes()
    place = int(at * len(text))
    (folder / f"{table}.csv").write_bytes(text[:place] + snippet + text[place + gone :])

    faults: tuple[str, ...] = ()
    try:
        read_folder(folder)
    except Unsuitable as refused:
        faults = refused.faults

    assert all(fault.split(".csv")[0] in TABLES for fault in faults)


def test_a_folder_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="is no folder"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["fontana", "nl-grid-points", "nl-substations", "simbench-urban6", "tetouan"])
def test_real_folders_read_without_a_fault(shared, name):
    given = read_folder(shared / "data" / name)

    known = ~np.isnan(given.measurements.load_w)
    assert known.mean() > 0.999
    assert len(given.weather)


def test_real_hours_keep_their_energy(shared):
    given = read_folder(shared / "data" / "fontana")
    table = pd.read_csv(shared / "data" / "fontana" / "measurements.csv")

    for i, element in enumerate(given.network.elements):
        measured_wh = table.loc[table.element_id == element.element_id, "load_w"].sum()
        assert np.float64(given.measurements.load_w[i]).sum() / 4 == pytest.approx(measured_wh, rel=1e-6)
