"""The worst credible load: against the same worked out hour by hour."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.forecasting import ForecastSettings, LoadHistory, fallback_band
from ampacity.timegrid import Window, moment_of, quarter_at

SETTINGS = ForecastSettings()
ZONE = ZoneInfo("Europe/Amsterdam")
NEIGHBOURS = [24 * day + hour for day in (-1, 0, 1) for hour in (-1, 0, 1)]


def hour_of_week(quarter):
    local = moment_of(quarter).astimezone(ZONE)
    return local.weekday() * 24 + local.hour


def band_of_one(values, window, ahead):
    """Lowest and highest credible [W] of each hour ahead, of one series."""
    first = max(window.first, window.end - 8 * 7 * 96)
    first += -first % 4
    last = first + (window.end - first) // 4 * 4
    known = {}
    for quarter in range(first, last):
        value = values[quarter - window.first]
        if not np.isnan(value):
            known.setdefault(hour_of_week(quarter), []).append(float(value))
    everything = [value for seen in known.values() for value in seen]
    extra = 0.15 * (max(everything) - min(everything))
    found = []
    for quarter in range(ahead.first, ahead.end, 4):
        near = [v for n in NEIGHBOURS for v in known.get((hour_of_week(quarter) + n) % 168, ())] or everything
        found.append((min(near) - extra, max(near) + extra))
    return np.array(found).T


@pytest.mark.parametrize("end", ["2026-04-14", "2026-11-08T12:00", "2026-07-01T00:45"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), days=st.sampled_from([1, 5, 30, 58]), missing=st.sampled_from([0, 0.3, 0.98]))
def test_the_band_is_the_worst_around_each_hour_of_the_week(end, seed, days, missing):
    rng = np.random.default_rng(seed)
    now = quarter_at(datetime.fromisoformat(end).replace(tzinfo=UTC))
    window = Window(now - days * 96, days * 96)
    ahead = Window(now - now % 4, 8 * 96)
    load_w = rng.normal(0, 4000, (23, 3, window.count)).astype(np.float32)
    load_w[rng.random(load_w.shape) < missing] = np.nan
    load_w[..., -1] = 100.0  # something is known of each

    low, high = fallback_band(LoadHistory(window=window, load_w=load_w), SETTINGS, window=ahead)

    for element, phase in rng.integers((23, 3), size=(3, 2)).tolist():
        lowest, highest = band_of_one(load_w[element, phase], window, ahead)
        np.testing.assert_allclose(low[element, phase], lowest, rtol=1e-5, atol=0.01)
        np.testing.assert_allclose(high[element, phase], highest, rtol=1e-5, atol=0.01)


def test_the_band_is_that_of_each_series_however_many_there_are():
    rng = np.random.default_rng(7)
    now = quarter_at(datetime(2026, 4, 14, tzinfo=UTC))
    window, ahead = Window(now - 56 * 96, 56 * 96), Window(now, 8 * 96)
    load_w = rng.normal(0, 4000, (60, 3, window.count)).astype(np.float32)

    together = fallback_band(LoadHistory(window=window, load_w=load_w), SETTINGS, window=ahead)

    for element in range(len(load_w)):
        alone = fallback_band(LoadHistory(window=window, load_w=load_w[[element]]), SETTINGS, window=ahead)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[element])


def test_the_hours_ahead_may_be_days_that_were_not_seen():
    now = quarter_at(datetime(2026, 4, 14, tzinfo=UTC))
    window, ahead = Window(now - 96, 96), Window(now + 3 * 96, 96)
    load_w = np.linspace(0, 950, 96, dtype=np.float32).reshape(1, 1, 96).repeat(3, axis=1)

    low, high = fallback_band(LoadHistory(window=window, load_w=load_w), SETTINGS, window=ahead)

    assert high[0].min() == pytest.approx(950 * 1.15)
    assert low[0].max() == pytest.approx(-950 * 0.15)
