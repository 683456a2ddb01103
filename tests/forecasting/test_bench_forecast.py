"""`ampacity bench forecast`: the batched engine beside statsmodels in the same run."""

import json

import pytest
from typer.testing import CliRunner

from ampacity.app.bench_forecast import measure
from ampacity.app.cli import build


def test_a_fleet_is_a_thousand_times_cheaper_at_once_than_one_by_one():
    found = measure(elements=40, days=56, workers=1)

    assert found.times_statsmodels > 300  # at 120 series; a thousand and more at those of a fleet
    assert found.largest_difference < 1e-4
    assert found.series == 120


def test_the_figures_are_for_programs_too():
    result = CliRunner().invoke(build(), ["bench", "forecast", "--elements", "2", "--days", "28", "--json"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["refit_s"] == pytest.approx(0.5, abs=20)
