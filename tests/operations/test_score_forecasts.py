"""What was forecast is compared with what came, and kept."""

from datetime import timedelta

import numpy as np
import pytest

from ampacity.app.commands.quality_command import show
from ampacity.forecasting import ForecastSettings, LoadForecast
from ampacity.forecasting.quality import score_forecast
from ampacity.operations.cycle import run_cycle
from ampacity.operations.score_forecasts import forecast_quality, score_forecasts
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.quality import QualityStore
from ampacity.timegrid import Window
from tests.operations.conftest import DAYS, START, small_input
from tests.operations.test_cycle import ports

AT = START + timedelta(days=DAYS - 2)


def test_a_forecast_is_scored_by_lead():
    median = np.full((1, 3, 96), 100, np.float32)
    forecast = LoadForecast(
        window=Window(0, 96),
        levels=(0.5, 0.99),
        load_w=np.stack([median, median + 10]),
        source=np.full((1, 3), 4, np.int8),
    )
    came_w = np.full((1, 3, 96), 105.0)
    came_w[0, 0, :4] = 120.0
    came_w[0, 1, 4:] = np.nan

    score = score_forecast(forecast, came_w, 0.01)

    assert score.of("quarters").tolist() == [[[4, 20, 72], [4, 0, 0], [4, 20, 72]]]
    assert score.mean("above")[0, :, 0].tolist() == [1.0, 0.0, 0.0]
    assert score.mean("error_w", axis=(0, 1)).tolist() == [-10.0, -5.0, -5.0]
    assert score.mean("margin_w", axis=(0, 1)).tolist() == [10.0, 10.0, 10.0]
    assert np.isnan(score.mean("above")[0, 1, 1])
    assert score.beyond[:, 0, :, 0].tolist() == [[4, 4, 4], [4, 0, 0]]
    assert score.total().beyond[1].tolist() == [[[4, 0, 0]]]


def test_a_lower_quantile_is_passed_by_what_lies_below_it():
    load_w = np.broadcast_to(np.array([90.0, 100.0, 110.0])[:, None, None, None], (3, 1, 3, 96)).astype(np.float32)
    forecast = LoadForecast(
        window=Window(0, 96), levels=(0.01, 0.5, 0.99), load_w=load_w, source=np.full((1, 3), 4, np.int8)
    )
    came_w = np.full((1, 3, 96), 85.0)
    came_w[:, :, :48] = 120.0

    beyond = score_forecast(forecast, came_w, 0.01).beyond

    assert beyond.sum(axis=(1, 2, 3)).tolist() == [48 * 3, 48 * 3, 48 * 3]


async def test_forecasts_are_scored_when_their_day_has_come(pool, given, capsys):
    on, quality = ports(pool), QualityStore(pool)
    settings = {"forecast": ForecastSettings(), "cycle": CycleSettings()}
    await take_in(small_input(), grid=on.grid, now=AT)
    for hours in (0, 0.25, 6):
        await run_cycle(AT + timedelta(hours=hours), ports=on, **settings)

    early = await score_forecasts(AT + timedelta(hours=20), grid=on.grid, cycles=on.cycles, quality=quality, **settings)
    later = AT + timedelta(hours=31)
    counts = [
        await score_forecasts(later, grid=on.grid, cycles=on.cycles, quality=quality, **settings) for _ in range(2)
    ]
    found = await forecast_quality(AT - timedelta(days=1), grid=on.grid, quality=quality)

    assert early == 0
    assert counts == [2, 0]  # the first cycle of every six hours, once
    assert found["cycles"] == 2
    assert [row["lead"] for row in found["by_lead"]] == ["up to 1 h", "1 to 6 h", "6 to 24 h"]
    for row in found["by_lead"]:
        assert row["absolute_error_w"] == pytest.approx(200, abs=120)  # the noise of the loads
        assert row["above"] < 0.1
        assert row["margin_w"] > 0
    assert {row["element_id"] for row in found["worst"]} <= {"t", "c1", "c2"}
    await _scores_add_up(quality)
    show(found)
    assert "2 cycles scored" in capsys.readouterr().out


async def _scores_add_up(quality: QualityStore) -> None:
    """What is read of one element, of all together and of the upper quantile alone tells the same."""
    since = AT - timedelta(days=1)
    total = await quality.total_scores(since)
    each = [await quality.element_scores([e], since) for e in range(3)]
    above = np.zeros(3)
    async for first_no, known, passed in quality.counts_above(since):
        assert (first_no, known.tolist()) == (0, [3 * 96.0] * 3)
        above += passed

    assert total.levels == (0.01, 0.05, 0.5, 0.95, 0.99)
    np.testing.assert_allclose(sum(e.sums.sum(axis=(1, 2)) for e in each), total.sums[:, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(sum(e.beyond.sum(axis=(1, 2)) for e in each), total.beyond[:, 0, 0])
    np.testing.assert_array_equal([e.of("above").sum() for e in each], above)
    np.testing.assert_array_equal(total.beyond[-1], total.of("above"))
    assert (total.counted == total.of("quarters")).all()
    assert 0.3 < total.beyond[2].sum() / total.counted.sum() < 0.7  # the noise of the loads has no lean
