"""Two roads, one result: the parallel filling and a row of linear programs."""

import numpy as np
import pytest

from tests.allocation_cases import random_case
from tests.allocation_checker import checked_w


def _worst(count: int, first_seed: int) -> float:
    worst = 0.0
    for seed in range(first_seed, first_seed + count):
        case = random_case(np.random.default_rng(seed), quarters=1)
        difference_w = np.abs(case.shared().allocated_w - checked_w(case)).max()
        assert difference_w < 1e-6, f"seed {seed}: {difference_w} W apart"
        worst = max(worst, float(difference_w))
    return worst


def test_linear_programs_find_the_same_shares():
    assert _worst(300, 0) < 1e-6


@pytest.mark.slow
def test_linear_programs_find_the_same_shares_in_five_thousand_grids():
    assert _worst(5000, 1000) < 1e-6
