"""The measurement of the allocation's speed measures a real allocation."""

import msgspec
import typer
from typer.testing import CliRunner

from ampacity.app.bench_allocation import bench_allocation, measure


def test_the_benchmark_shares_a_grid_without_overload():
    run = measure(300, 3, quarters=8)

    assert (run.elements, run.groups, run.quarters) == (300, 900, 8)
    assert run.worst_overload_w == 0.0
    assert 0.05 < run.bound_by_own_cap < 0.95
    assert run.seconds < 5


def test_a_program_may_read_it():
    app = typer.Typer()
    app.command()(bench_allocation)

    told = CliRunner().invoke(app, ["--elements", "50", "--groups-per-element", "2", "--json"])

    assert told.exit_code == 0
    assert msgspec.json.decode(told.stdout)["groups"] == 100
