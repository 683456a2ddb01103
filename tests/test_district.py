"""A made-up district is the same for the same seed, looks like a district, and has more wishes than room."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from ampacity.network import Direction
from ampacity.simulation import DistrictPlan, blocks, damaged, district_network, make_district
from ampacity.timegrid import Window

WINTER = DistrictPlan(seed=3, homes=120, cables=4, cables_per_transformer=2, days=14)
SUMMER = replace(WINTER, start=datetime(2026, 6, 1, tzinfo=UTC))


def test_the_same_plan_is_the_same_district():
    once, again = make_district(WINTER), make_district(WINTER)

    assert once.network.elements == again.network.elements
    np.testing.assert_array_equal(once.measurements.load_w, again.measurements.load_w)
    np.testing.assert_array_equal(once.weather.temperature_c, again.weather.temperature_c)


def test_another_seed_is_another_district():
    assert not np.array_equal(
        make_district(WINTER).measurements.load_w, make_district(replace(WINTER, seed=4)).measurements.load_w
    )


def test_it_has_as_many_homes_and_cables_as_asked():
    plan = DistrictPlan(homes=1000, cables=37, cables_per_transformer=6, days=1)

    network = district_network(plan)

    assert sum(e.kind == "cable" for e in network.elements) == 37
    assert sum(e.kind == "transformer" for e in network.elements) == 7
    assert plan.homes_of_cables.sum() == 1000
    assert len(network.groups) == 74
    assert len({g.provider_id for g in network.groups}) == 2


def test_blocks_follow_the_order_of_the_elements_and_leave_none_out():
    plan = DistrictPlan(homes=5000, cables=1001, days=1)
    network = district_network(plan)

    covered = np.zeros(len(network.elements), int)
    for part, load_w in blocks(plan):
        covered[part] += 1
        assert load_w.dtype == np.float32
        assert load_w.shape == (part.stop - part.start, 3, 96)
        first = network.elements[part.start]
        assert first.kind == "transformer"

    assert (covered == 1).all()


def test_a_transformer_carries_what_its_cables_carry_and_a_little_loss():
    district = make_district(WINTER)
    behind = district.network.parent == 0

    cables_w = district.measurements.load_w[behind].sum(axis=0)

    np.testing.assert_allclose(district.measurements.load_w[0], cables_w + 0.008 * np.abs(cables_w), rtol=1e-5)


def test_homes_stay_within_the_ratings_and_groups_want_more_than_is_left():
    district = make_district(WINTER)
    limit_w = district.network.limit_w(0.95)
    peak_w = district.measurements.load_w.max(axis=2)

    assert (peak_w < limit_w).all()
    assert (peak_w > 0.1 * limit_w).all()
    wanted_w = district.network.contracted_w(Direction.IMPORT)[:, None] * district.network.phase_share
    on_elements_w = district.network.behind(wanted_w[:, :, None])[:, :, 0]
    assert (on_elements_w > limit_w - peak_w).all()


def test_firm_parts_fit_into_what_homes_leave():
    district = make_district(WINTER)
    firm_w = district.network.firm_w(Direction.IMPORT)[:, None] * district.network.phase_share

    on_elements_w = district.network.behind(firm_w[:, :, None])[:, :, 0]

    left_w = district.network.limit_w(0.95) - np.quantile(district.measurements.load_w, 0.99, axis=2)
    assert (on_elements_w < left_w).all()


def test_evenings_are_heavier_than_nights_and_weekends_are_different():
    load_w = make_district(SUMMER).measurements.load_w[0].sum(axis=0).reshape(14, 96)
    evening, night, morning = load_w[:, 68:72].mean(), load_w[:, 4:12].mean(), load_w[:, 21:24].mean(axis=1)

    assert evening > 1.5 * night
    weekend = np.isin(np.arange(14) % 7, [5, 6])
    assert morning[~weekend].mean() > morning[weekend].mean()


def test_the_sun_takes_load_away_in_summer_and_the_cold_adds_it_in_winter():
    summer_w = make_district(SUMMER).measurements.load_w[0].sum(axis=0).reshape(14, 96)
    winter_w = make_district(WINTER).measurements.load_w[0].sum(axis=0).reshape(14, 96)

    assert summer_w[:, 44:52].mean() < 0.5 * winter_w[:, 44:52].mean()
    assert winter_w[:, :16].mean() > summer_w[:, :16].mean()


def test_the_weather_is_known_two_days_ahead_and_no_forecast_is_the_truth():
    weather = make_district(WINTER).weather
    end = np.datetime64(WINTER.window.end_moment.replace(tzinfo=None), "s")

    ahead = weather.available_at < weather.valid_at
    known = ahead & (weather.available_at <= end)

    assert weather.valid_at[known].max() == end + np.timedelta64(48, "h")
    assert weather.valid_at[~ahead].max() == end
    assert not (weather.available_at > weather.valid_at).any()
    error_c = [
        (weather.temperature_c[weather.valid_at - weather.available_at == np.timedelta64(h, "h")][:300]
         - weather.temperature_c[~ahead][:300]).std()
        for h in (24, 48)
    ]  # fmt: skip
    assert 0.1 < error_c[0] < error_c[1] < 4


def test_radiation_is_the_mean_of_the_hour_before_and_none_at_night():
    plan = replace(SUMMER, longitude=0.0, days=2)
    weather = make_district(plan).weather
    observed = weather.available_at == weather.valid_at
    hour = weather.valid_at[observed].astype("datetime64[h]").astype(int) % 24
    radiation_w_m2 = weather.global_radiation_w_m2[observed]

    assert (radiation_w_m2[(hour < 3) | (hour > 21)] == 0).all()
    assert (radiation_w_m2[hour == 12] > 100).all()
    assert plan.window == Window(plan.window.first, 192)


def test_damage_leaves_gaps_and_spikes_and_the_rest_alone():
    series = make_district(WINTER).measurements

    broken = damaged(series, seed=5, gap_share=0.05)

    gone = np.isnan(broken.load_w)
    assert 0.02 < gone.mean() < 0.1
    same = broken.load_w == series.load_w
    assert (~same & ~gone).sum() <= 3 * len(series.load_w)
    assert (~same & ~gone).sum() > 0


@pytest.mark.parametrize("wrong", [{"cables": 0}, {"days": 0}, {"homes": -1}, {"start": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_a_plan_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(WINTER, **wrong)
