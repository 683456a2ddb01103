"""The worst credible load: against the same worked out hour by hour."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.forecasting import (
    ForecastSettings,
    LoadHistory,
    dump_extremes,
    fallback_band,
    load_extremes,
    weekly_extremes,
)
from ampacity.timegrid import Window, moment_of, quarter_at

SETTINGS = ForecastSettings()
ZONE = ZoneInfo("Europe/Amsterdam")
NEIGHBOURS = [24 * day + hour for day in (-1, 0, 1) for hour in (-1, 0, 1)]


def extremes_of(load_w, window):
    return weekly_extremes(LoadHistory(window=window, load_w=load_w), SETTINGS)


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
    load_w[..., -8] = 100.0  # something is known of each, in a whole hour

    low, high = fallback_band(extremes_of(load_w, window), SETTINGS, window=ahead)

    for element, phase in rng.integers((23, 3), size=(3, 2)).tolist():
        lowest, highest = band_of_one(load_w[element, phase], window, ahead)
        np.testing.assert_allclose(low[element, phase], lowest, rtol=1e-5, atol=0.01)
        np.testing.assert_allclose(high[element, phase], highest, rtol=1e-5, atol=0.01)


def test_the_band_is_that_of_each_series_however_many_there_are():
    rng = np.random.default_rng(7)
    now = quarter_at(datetime(2026, 4, 14, tzinfo=UTC))
    window, ahead = Window(now - 56 * 96, 56 * 96), Window(now, 8 * 96)
    load_w = rng.normal(0, 4000, (60, 3, window.count)).astype(np.float32)

    together = fallback_band(extremes_of(load_w, window), SETTINGS, window=ahead)

    for element in range(len(load_w)):
        alone = fallback_band(extremes_of(load_w[[element]], window), SETTINGS, window=ahead)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[element])


def test_the_hours_ahead_may_be_days_that_were_not_seen():
    now = quarter_at(datetime(2026, 4, 14, tzinfo=UTC))
    window, ahead = Window(now - 96, 96), Window(now + 3 * 96, 96)
    load_w = np.linspace(0, 950, 96, dtype=np.float32).reshape(1, 1, 96).repeat(3, axis=1)

    low, high = fallback_band(extremes_of(load_w, window), SETTINGS, window=ahead)

    assert high[0].min() == pytest.approx(950 * 1.15)
    assert low[0].max() == pytest.approx(-950 * 0.15)


@pytest.mark.parametrize("later", [0, 1, 95, 130])
def test_extremes_of_yesterday_widened_by_the_days_since_are_those_of_all(later):
    rng = np.random.default_rng(later)
    now = quarter_at(datetime(2026, 10, 26, tzinfo=UTC))
    window = Window(now - 50 * 96, 50 * 96)
    load_w = rng.normal(0, 4000, (7, 3, window.count)).astype(np.float32)
    load_w[rng.random(load_w.shape) < 0.9] = np.nan
    kept = load_extremes(
        dump_extremes(extremes_of(load_w[..., : -later or None], Window(window.first, window.count - later)))
    )

    since = Window(now - 2 * 96, 2 * 96)
    found = kept.widened(extremes_of(load_w[..., -since.count :], since))

    whole = extremes_of(load_w, window)
    np.testing.assert_array_equal(found.lowest_w, whole.lowest_w)
    np.testing.assert_array_equal(found.highest_w, whole.highest_w)


def test_who_was_never_measured_spans_its_limit_and_nothing_without_one():
    nothing = extremes_of(np.zeros((2, 3, 0), np.float32), Window(0, 0))
    limit_w = np.array([[100.0, 0, 0], [200, 200, 200]])

    low, high = fallback_band(nothing, SETTINGS, window=Window(0, 8), limit_w=limit_w)

    assert low.shape == high.shape == (2, 3, 2)
    np.testing.assert_array_equal(low[1], -200)
    assert (high[1] >= 200).all()
    assert np.isnan(low[0, 1:]).all()
    assert np.isnan(high[0, 1:]).all()
