"""An emergency lowers everybody behind an element alike, at once, until it ends."""

from datetime import timedelta

import numpy as np
import pytest

from ampacity.errors import NotFound, Refused
from ampacity.network import ForecastKind
from ampacity.operations.emergency import Imposed, impose
from ampacity.operations.replay import replay
from ampacity.store.records import PostgresRecords
from tests.operations.conftest import small_network
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

HOUR = timedelta(hours=1)


async def impose_on(
    bench: Bench,  # noqa: F811
    element="c1",
    limit_w=20_000.0,
    until=AT + 2 * HOUR,
    now=AT,
    reason="fire",
) -> Imposed:
    return await impose(
        element, limit_w, until, reason, now=now, power_factor=0.95, grid=bench.on.grid, requests=bench.on.requests
    )


async def test_all_groups_behind_it_are_lowered_alike_and_told(bench):  # noqa: F811
    await bench.pool.execute("truncate outbound_forecast")
    before_w = await bench.capacity_w()

    imposed = await impose_on(bench)

    after_w = await bench.capacity_w()
    assert imposed.groups == 2
    assert imposed.lowered_w > 1000
    assert (after_w[[NORTH, HARBOUR], :8] < before_w[[NORTH, HARBOUR], :8] * 0.8).all()
    np.testing.assert_allclose(after_w[NORTH, :8], after_w[HARBOUR, :8], atol=1.1)
    assert (after_w[:, 8:] == before_w[:, 8:]).all()
    assert (after_w[2] == before_w[2]).all()
    kinds = await bench.pool.fetch("select distinct kind, group_no from outbound_forecast order by kind, group_no")
    assert (ForecastKind.CONSUMPTION.value, NORTH) in {(r["kind"], r["group_no"]) for r in kinds}


async def test_it_holds_in_the_next_cycles_and_ends(bench):  # noqa: F811
    before_w = await bench.capacity_w()
    await impose_on(bench)

    for quarters in (1, 8):
        await bench.cycle(AT + quarters * HOUR / 4)

    during_w = await bench.capacity_w(AT + HOUR / 4)
    after_w = await bench.capacity_w(AT + 2 * HOUR)
    assert (during_w[NORTH, :7] < before_w[NORTH, 1:8] * 0.8).all()
    assert (after_w[NORTH, :4] > before_w[NORTH, 8:12] * 0.9).all()


async def test_a_late_cycle_heeds_it_too(bench):  # noqa: F811
    """It is imposed while the cycle of the quarter hour is still to be decided."""
    before_w = await bench.capacity_w()
    await impose_on(bench, now=AT + timedelta(minutes=17))

    await bench.cycle(AT + HOUR / 4)

    assert ((await bench.capacity_w(AT + HOUR / 4))[NORTH, 2:6] < before_w[NORTH, 3:7] * 0.8).all()


async def test_a_request_cannot_get_round_it(bench):  # noqa: F811
    await impose_on(bench)
    before_w = await bench.capacity_w()
    await bench.ask(NORTH, 40_000)

    await bench.decide()

    after_w = await bench.capacity_w()
    drawn_w = after_w[:2, :4].sum(axis=0)
    assert (drawn_w <= before_w[:2, :4].sum(axis=0) + 5.0).all()


async def test_twice_the_same_takes_once(bench):  # noqa: F811
    await impose_on(bench)
    once_w = await bench.capacity_w()

    again = await impose_on(bench, now=AT + timedelta(seconds=30))

    assert again.groups == 0
    assert (await bench.capacity_w(AT + timedelta(seconds=30)) == once_w).all()


async def test_grants_that_it_cuts_are_revoked(bench):  # noqa: F811
    await bench.ask(NORTH, 0)
    await bench.ask(HARBOUR, 25_000)
    await bench.decide()

    await impose_on(bench, limit_w=10_000.0)

    steps = [(g, s) for g, s, _ in await bench.story()]
    assert (HARBOUR, "revoked") in steps
    assert (NORTH, "revoked") not in steps


async def test_it_ends_early_when_its_end_is_now(bench):  # noqa: F811
    before_w = await bench.capacity_w()
    await impose_on(bench)
    await impose_on(bench, until=AT + timedelta(minutes=5), now=AT + timedelta(minutes=5), reason="put out")

    await bench.cycle(AT + HOUR / 4)

    later_w = await bench.capacity_w(AT + HOUR / 4)
    assert later_w[NORTH, 4] > before_w[NORTH, 5] * 0.85  # rises are limited, so it may take another cycle


async def test_it_can_be_replayed(bench):  # noqa: F811
    await bench.ask(HARBOUR, 25_000)
    await bench.decide()
    imposed = await impose_on(bench)
    await bench.ask(HARBOUR, 25_000, name="again")
    await bench.decide()
    await bench.cycle(AT + HOUR / 4)
    records = PostgresRecords(bench.pool)

    for row in await bench.pool.fetch("select decision_id from decision"):
        replayed = await replay(row["decision_id"], records)
        assert replayed.is_equal, (replayed, imposed)
    assert await records.broken_links() == []


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"limit_w": -1.0}, Refused, "must be 0 or more"),
        ({"until": AT - HOUR}, Refused, "is past"),
        ({"reason": " "}, Refused, "needs a reason"),
        ({"element": "nowhere"}, NotFound, "no element nowhere"),
    ],
)
async def test_what_makes_no_sense_is_refused(bench, changes, error, words):  # noqa: F811
    with pytest.raises(error, match=words):
        await impose_on(bench, **changes)
    assert await bench.pool.fetchval("select count(*) from emergency") == 0


async def test_the_sum_stays_below_the_limit(bench):  # noqa: F811
    """What groups may use and what nobody can steer, together."""
    await impose_on(bench, limit_w=20_000.0)

    network = small_network()
    capacity_w = await bench.capacity_w()
    drawn_w = network.behind(capacity_w[:, None, :] * network.phase_share[:, :, None])[1, :, :8]
    assert (drawn_w <= np.maximum((await bench.headroom_w())[1, :, :8], 0) + 0.1).all()
    assert drawn_w.sum(axis=0).max() < 20_000
