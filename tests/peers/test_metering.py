"""Registers become mean power per quarter: energy is kept, gaps stay gaps, what cannot be right is set aside."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.network.types import PowerUnit
from ampacity.peers.metering import LONGEST_GAP_S, Reading, fault_of, use_of_register
from ampacity.peers.types import Connection
from ampacity.peers.usage import use_of_group
from ampacity.timegrid import Window, quarter_at

T0 = datetime(2026, 3, 2, 10, tzinfo=UTC)
Q0 = quarter_at(T0)
GROUP = Connection(
    group_no=0,
    group_id="g",
    provider_no=0,
    unit=PowerUnit.A,
    phases=(1, 2, 3),
    phase_voltage_v=230.0,
    contracted_w=22e3,
)


def at(minutes: float, value: float, **changes) -> Reading:
    values = {"measured_at": T0 + timedelta(minutes=minutes), "value": value, "direction": "IMPORT"}
    return Reading(**{**values, **changes})


def load(readings, quarters=4) -> list[float]:
    return use_of_register(readings, Window(Q0, quarters), 22e3).load_w.tolist()


def test_a_register_read_each_quarter_gives_the_mean_power():
    assert load([at(0, 100), at(15, 1100), at(30, 1100), at(45, 3600)], 3) == [4000.0, 0.0, 10_000.0]


def test_a_register_read_each_hour_is_spread_evenly():
    assert load([at(0, 0), at(60, 4000)]) == [4000.0] * 4


def test_a_quarter_that_readings_do_not_cover_wholly_has_no_value():
    got = load([at(5, 0), at(30, 2500)], 3)

    assert np.isnan(got[0])
    assert got[1] == pytest.approx(6000)
    assert np.isnan(got[2])


def test_a_gap_longer_than_an_hour_stays_a_gap():
    assert np.isnan(load([at(0, 0), at(LONGEST_GAP_S / 60 + 1, 4000)], 5)).all()


def test_a_restarted_register_counts_from_its_start():
    first = [at(0, 0, since=T0), at(15, 1000, since=T0)]
    again = T0 + timedelta(minutes=30)
    second = [at(45, 500, since=again)]

    assert load([*first, *second], 3) == [4000.0, 0.0, 2000.0]


def test_a_register_that_runs_backwards_is_set_aside_and_the_rest_used():
    use = use_of_register([at(0, 1000), at(15, 400), at(30, 3000)], Window(Q0, 2), 22e3)

    assert use.verdicts[1].startswith("the register runs backwards, from 1000.0 Wh to 400.0 Wh")
    assert use.load_w.tolist() == [4000.0, 4000.0]


def test_three_readings_that_agree_make_a_restart_of_a_fall():
    use = use_of_register([at(0, 9000), at(15, 0), at(30, 1000), at(45, 2000)], Window(Q0, 3), 22e3)

    assert use.restarts == 1
    assert not any(use.verdicts)
    assert np.isnan(use.load_w[0])
    assert use.load_w[1:].tolist() == [4000.0, 4000.0]


def test_more_than_ten_times_the_contract_is_set_aside():
    use = use_of_register([at(0, 0), at(15, 60_000), at(30, 2000)], Window(Q0, 2), 22e3)

    assert use.verdicts[1] == "240000 W is more than 220000 W, 10 times the contract"
    assert use.load_w.tolist() == [4000.0, 4000.0]


def test_a_net_register_may_run_backwards():
    assert load([at(0, 1000, direction="NET"), at(15, 0, direction="NET")], 1) == [-4000.0]


def test_a_duplicate_changes_nothing_and_a_contradiction_is_set_aside():
    use = use_of_register([at(0, 0), at(15, 1000), at(15, 1000), at(15, 900)], Window(Q0, 1), 22e3)

    assert sum(v == "duplicate" for v in use.verdicts) == 1
    assert sum(v.startswith("overlaps") for v in use.verdicts) == 1


def test_order_of_arrival_does_not_matter():
    readings = [at(15 * n, 700.0 * n * n) for n in range(5)]

    assert load(readings) == load(readings[::-1]) == load([readings[k] for k in (2, 0, 4, 1, 3)])


def test_readings_from_the_future_and_negative_registers_have_a_fault():
    assert fault_of(at(30, 1), T0).startswith("measured 1800 s after")
    assert "never negative" in fault_of(at(0, -1), T0)
    assert fault_of(at(0, -1, direction="NET"), T0) == ""
    assert "before its register started" in fault_of(at(0, 1, since=T0 + timedelta(hours=1)), T0)


grown_wh = st.lists(st.floats(0, 5000), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(grown_wh, st.lists(st.floats(1.0, 60.0), min_size=40, max_size=40))
def test_energy_is_neither_made_nor_lost(steps_wh, minutes_apart):
    minutes = np.concatenate(([0.0], np.cumsum(minutes_apart[: len(steps_wh)])))
    values = np.concatenate(([0.0], np.cumsum(steps_wh)))
    end = int(minutes[-1] // 15)
    readings = [at(float(m), float(v)) for m, v in zip(minutes, values, strict=True)]

    use = use_of_register(readings, Window(Q0, max(end, 1)), 1e9)

    told_wh = np.nansum(use.load_w) / 4
    assert told_wh == pytest.approx(np.interp(end * 15, minutes, values), abs=0.01, rel=1e-5)


def group_use(readings, quarters=1):
    return use_of_group(readings, GROUP, Window(Q0, quarters)).load_w[:, 0].tolist()


def pair(energy_wh: float, **changes) -> list[Reading]:
    return [at(0, 0, **changes), at(15, energy_wh, **changes)]


def test_a_register_of_all_phases_is_spread_evenly():
    assert group_use(pair(3000)) == [4000.0] * 3


def test_registers_per_phase_win_over_one_for_all():
    by_phase = [r for p, wh in ((1, 1000), (2, 500), (3, 0)) for r in pair(wh, phase=p)]

    assert group_use([*by_phase, *pair(9000)]) == [4000.0, 2000.0, 0.0]


def test_a_phase_without_a_register_carries_nothing():
    assert group_use(pair(1000, phase=2)) == [0.0, 4000.0, 0.0]


def test_export_is_taken_off_import_and_net_wins():
    assert group_use([*pair(3000), *pair(600, direction="EXPORT")]) == [3200.0] * 3
    assert group_use([*pair(3000), *pair(-300, direction="NET")]) == [-400.0] * 3


def test_what_is_flexible_wins_else_what_is_not_is_taken_off():
    assert group_use([*pair(3000), *pair(1500, energy_type="FLEXIBLE")]) == [2000.0] * 3
    assert group_use([*pair(3000), *pair(600, energy_type="NONFLEXIBLE")]) == [3200.0] * 3


def test_assets_are_summed_where_the_group_says_nothing():
    assets = [r for a in ("a", "b") for r in pair(1500, asset_id=a, category="CHARGING")]

    assert group_use(assets) == [4000.0] * 3
    assert group_use([*assets, *pair(300)]) == [400.0] * 3


def test_samples_of_power_count_where_there_is_no_register():
    samples = [
        at(3, 1000, quantity="W", phase=1, asset_id="a", direction="NET"),
        at(9, 3000, quantity="W", phase=1, asset_id="a", direction="NET"),
        at(9, 10, quantity="A", phase=2, asset_id="b", direction="NET"),
    ]

    assert group_use(samples) == [2000.0, 2300.0, 0.0]


def test_nothing_is_known_of_a_group_that_says_nothing():
    assert np.isnan(group_use([at(0, 5)])).all()
