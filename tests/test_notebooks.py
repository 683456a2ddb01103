"""The notebooks run from the first cell to the last, and are kept without their outputs."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import ampacity

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
BACKTESTS = {"forecast_beside_openstef"}  # minutes long


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.stem in BACKTESTS)) for p in NOTEBOOKS]
)
def test_a_notebook_runs_and_draws(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)

    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute(env=os.environ | {"PYTHONPATH": str(Path(ampacity.__file__).parents[1])})

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    figures = [output for output in outputs if "application/vnd.plotly.v1+json" in output.get("data", {})]
    assert len(figures) >= 5
    assert all(trace["y"] for figure in figures for trace in figure["data"]["application/vnd.plotly.v1+json"]["data"])
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_the_shares_of_the_notebook_hold_the_cable(tmp_path):
    path = next(path for path in NOTEBOOKS if path.stem == "from_readings_to_capacity")
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names: dict = {}

    exec("\n".join(code), names)

    assert (names["consumption_w"] > 0).any(axis=1).all()
    assert (names["drawn_w"] <= names["room"].import_w.clip(min=0) + 1e-6).all()
    assert names["over"].mean() <= 0.03
