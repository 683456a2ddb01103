"""What was said is kept from cycle to cycle where that is safe."""

from datetime import timedelta

import numpy as np

from ampacity.operations.cycle import run_cycle
from ampacity.operations.settings import CycleSettings
from tests.operations.test_adjust import AT, Bench, ForecastSettings, bench  # noqa: F401

QUARTER = timedelta(minutes=15)


async def cycle(bench: Bench, at, **settings) -> np.ndarray:  # noqa: F811
    await run_cycle(at, ports=bench.on, forecast=ForecastSettings(), cycle=CycleSettings(**settings))
    return await bench.capacity_w(at)


async def test_small_rises_stay_out_and_falls_pass(bench):  # noqa: F811
    before_w = await bench.capacity_w()

    after_w = await cycle(bench, AT + QUARTER)

    shared, told = after_w[:, :-1], before_w[:, 1:]
    rises = shared - told
    assert not ((rises > 0) & (rises < np.minimum(0.02 * told, 600))).any()


async def test_near_quarters_stay_as_they_were_said(bench):  # noqa: F811
    before_w = await bench.capacity_w()

    after_w = await cycle(bench, AT + QUARTER, frozen_quarters=4, extra_margin_w=0.0)

    network = await bench.on.grid.network()
    drawn_w = network.behind(before_w[:, None, 1:5] * network.phase_share[:, :, None])
    room_w = (await bench.headroom_w(AT + QUARTER))[:, :, :4]
    if (drawn_w <= room_w).all():
        np.testing.assert_array_equal(after_w[:, :4], before_w[:, 1:5])
    else:  # the grid carries less now: only those behind the element that is short may fall
        assert (after_w[:, :4] <= before_w[:, 1:5]).all()


async def test_a_rise_is_limited_in_a_cycle(bench):  # noqa: F811
    before_w = await bench.capacity_w()
    tight_w = await cycle(bench, AT + QUARTER, extra_margin_w=3_000.0)
    assert (tight_w[0, 4:40] < before_w[0, 5:41] - 1_000).any()

    after_w = await cycle(bench, AT + 2 * QUARTER, rise_fraction=0.05)

    assert (after_w[0, :-1] <= tight_w[0, 1:] + 0.05 * 40_000 + 1).all()
