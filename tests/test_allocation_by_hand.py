"""The cases in tests/cases/allocation, worked out by hand, and what they say the rule does not promise."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ampacity.allocation import Allocation, allocate

CASES = Path(__file__).parent / "cases" / "allocation"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())


def rows(name: str, file: str) -> list[dict[str, str]]:
    with (CASES / name / f"{file}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def shared(name: str) -> tuple[Allocation, list[str]]:
    elements, groups = rows(name, "elements"), rows(name, "groups")
    ids = [e["element_id"] for e in elements]
    result = allocate(
        np.array([[[float(e[f"headroom_{p}_w"])] for p in (1, 2, 3)] for e in elements]),
        [ids.index(e["parent_id"]) if e["parent_id"] else -1 for e in elements],
        [ids.index(g["element_id"]) for g in groups],
        [phase_share(g["phases"]) for g in groups],
        [float(g["weight_w"]) for g in groups],
        [[float(g["floor_w"])] for g in groups],
        [[float(g["cap_w"])] for g in groups],
    )
    return result, ids


def phase_share(phases: str) -> list[float]:
    if phases == "?":
        return [1.0, 1.0, 1.0]
    return [(p in phases) / len(phases) for p in "123"]


def total_w(name: str, *groups: str) -> float:
    return sum(float(row["allocated_w"]) for row in rows(name, "expected") if row["group_id"] in groups)


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_finds_what_was_worked_out_by_hand(name):
    result, ids = shared(name)

    for g, row in enumerate(rows(name, "expected")):
        assert result.allocated_w[g, 0] == pytest.approx(float(row["allocated_w"]), abs=1e-6), row["group_id"]
        assert ("" if result.bound_by[g, 0] < 0 else ids[result.bound_by[g, 0]]) == row["bound_by"], row["group_id"]
        assert ("" if result.bound_phase[g, 0] < 0 else str(result.bound_phase[g, 0] + 1)) == row["bound_phase"]


@pytest.mark.parametrize("name", NAMES)
def test_every_case_says_why(name):
    assert len((CASES / name / "why.txt").read_text()) > 40


def test_a_larger_cable_may_take_from_a_neighbour():
    before, after = "a_larger_cable_may_cost_a_neighbour_before", "a_larger_cable_may_cost_a_neighbour_after"

    assert total_w(after, "b") < total_w(before, "b")


def test_a_stronger_phase_may_take_from_who_draws_on_another():
    before, after = "a_stronger_phase_may_cost_a_neighbour_before", "a_stronger_phase_may_cost_a_neighbour_after"

    assert total_w(after, "second") < total_w(before, "second")


def test_merged_contracts_may_gain():
    before, after = "merging_contracts_may_pay_before", "merging_contracts_may_pay_after"

    assert total_w(after, "ab") > total_w(before, "a", "b")
