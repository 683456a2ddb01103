"""`ampacity backtest` on real loads."""

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ampacity.app.backtest_command import backtest_command, every_quarters
from ampacity.errors import NotFound, Unsuitable
from ampacity.intake import bundled_folder

FOLDERS = {
    "nl-grid-points": ("Europe/Amsterdam", "NL"),
    "nl-substations": ("Europe/Amsterdam", "NL"),
    "tetouan": ("UTC", "MA"),
    "fontana": ("UTC", "US"),
}


def run(*arguments):
    app = typer.Typer()
    app.command()(backtest_command)
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def tested(shared, tmp_path_factory):
    out = tmp_path_factory.mktemp("backtest")
    folder = shared / "data" / "nl-grid-points"
    result = run(
        folder, "--days", 21, "--against", folder / "openstef", "--json", out / "figures.json",
        "--forecasts", out / "forecasts.csv", "--report", out / "report.html", "--explain", "point-287",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads((out / "figures.json").read_text())
    return result, figures, pd.read_csv(out / "forecasts.csv"), out / "report.html"


def whole(figures):
    return [e for e in figures["elements"] if e["phase"] == "sum"]


def test_real_loads_are_forecast_better_than_by_openstef_or_by_repeating_the_past(tested):
    _, figures, _, _ = tested

    assert {e["element_id"] for e in whole(figures)} == {"point-287", "point-307"}
    for element in whole(figures):
        assert element["against"]["mae_ratio"] < 1
        assert element["mae_w"] < 0.9 * min(element["naive_mae_w"].values())
        assert element["exceedance"]["0.99"] < 0.03
    assert figures["settings"]["perfect_weather"] is True  # the folder does not say when its weather became known


def test_anybody_can_score_the_forecasts_again(tested, shared):
    _, figures, forecasts, _ = tested
    measured = pd.read_csv(shared / "data" / "nl-grid-points" / "measurements.csv").set_index(["element_id", "start"])

    for element in whole(figures):
        rows = forecasts[(forecasts.element_id == element["element_id"]) & (forecasts.phase == "sum")]
        came = measured.load_w.reindex(pd.MultiIndex.from_frame(rows[["element_id", "start"]])).to_numpy()
        assert np.nanmean(np.abs(rows.q50.to_numpy() - came)) == pytest.approx(element["mae_w"], rel=1e-4)
        assert np.nanmean(came > rows.q99.to_numpy()) == pytest.approx(element["exceedance"]["0.99"], abs=1e-4)
    assert (forecasts.q05 <= forecasts.q50).all()


def test_the_report_stands_alone(tested):
    text = tested[3].read_text()
    fetched = [tag for tag in ("<script src", "<link", '<img src="http') if tag in text]

    assert text.count("<h2>") == 2
    assert text.count("Plotly.newPlot(") >= 9
    assert "What drives point-287" in text
    assert fetched == []


def test_elements_as_a_whole_can_be_tested_alone(shared, tmp_path):
    run(shared / "data" / "nl-grid-points", "--days", 2, "--whole", "--json", tmp_path / "f.json")

    figures = json.loads((tmp_path / "f.json").read_text())
    assert [e["phase"] for e in figures["elements"]] == ["sum", "sum"]


def test_without_weather_margins_are_wider_yet_calibrated(tested, shared, tmp_path):
    _, figures, _, _ = tested

    result = run(
        shared / "data" / "nl-grid-points", "--days", 21, "--whole", "--weather-hours", 0, "--json", tmp_path / "f.json"
    )

    assert result.exit_code == 0, result.output
    blind = json.loads((tmp_path / "f.json").read_text())
    assert blind["settings"]["weather_hours"] == 0
    for without, usual in zip(blind["elements"], whole(figures), strict=True):
        assert usual["mae_w"] < without["mae_w"] < 1.5 * usual["mae_w"]
        assert without["mean_margin_w"] < 1.5 * usual["mean_margin_w"]
        assert without["exceedance"]["0.99"] < 0.03


def test_an_element_is_explained(tested):
    output = tested[0].output

    assert "share in the fitted variation" in output
    assert "std. error" in output


def test_what_is_not_there_is_named(shared, tmp_path):
    folder = shared / "data" / "nl-grid-points"
    with pytest.raises(NotFound, match="nowhere"):
        run(tmp_path / "nowhere")
    with pytest.raises(Unsuitable, match="no folder of forecasts"):
        run(folder, "--days", 1, "--against", tmp_path / "nowhere")
    with pytest.raises(Unsuitable, match="holds no forecast"):
        run(folder, "--days", 1, "--against", tmp_path)
    with pytest.raises(NotFound, match="element x"):
        run(folder, "--days", 1, "--explain", "x")


@pytest.mark.parametrize("text", ["7min", "0h", "x"])
def test_a_step_that_is_no_multiple_of_a_quarter_is_refused(text):
    with pytest.raises(Unsuitable, match="--every"):
        every_quarters(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_every_series_is_forecast_better_than_by_openstef(shared, tmp_path, name):
    folder = shared / "data" / name
    zone, country = FOLDERS[name]

    run(
        folder, "--perfect-weather", "--against", folder / "openstef", "--json", tmp_path / "figures.json",
        "--zone", zone, "--country", country,
    )  # fmt: skip

    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["overall"]["worst_mae_ratio"] < 1
    assert figures["overall"]["mae_ratio"] < 0.9
    assert figures["overall"]["exceedance"] < 0.015
    for element in figures["elements"]:
        assert element["mae_w"] < min(v for v in element["naive_mae_w"].values() if v is not None)


@pytest.mark.slow
@pytest.mark.parametrize("days", [21, 60])
def test_every_feeder_of_the_bundled_district_is_forecast_better_than_by_repeating_the_past(tmp_path, days):
    """Over 60 days it begins with ten days of history."""
    run(
        bundled_folder(), "--days", days, "--json", tmp_path / "figures.json", "--zone", "Europe/Berlin",
        "--country", "DE",
    )  # fmt: skip

    elements = whole(json.loads((tmp_path / "figures.json").read_text()))

    assert len(elements) == 8
    for element in elements:
        assert element["mae_w"] < min(v for v in element["naive_mae_w"].values() if v is not None)


@pytest.mark.slow
def test_weather_known_by_forecast_is_used_like_the_weather_that_came(shared, tmp_path):
    """Fontana's forecasts of the day before are equal to what came, so both ways must end in the same margins."""
    folder = shared / "data" / "fontana"
    margins = {}
    for flag in ([], ["--perfect-weather"]):
        run(folder, "--zone", "UTC", "--country", "US", "--json", tmp_path / "f.json", "--days", 30, *flag)
        figures = json.loads((tmp_path / "f.json").read_text())
        margins[figures["settings"]["perfect_weather"]] = np.mean([e["mean_margin_w"] for e in whole(figures)])

    assert margins[False] == pytest.approx(margins[True], rel=1e-6)
