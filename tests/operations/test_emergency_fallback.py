"""An emergency binds who is silent too: fallbacks are lowered for its time, sent, and come back."""

from datetime import timedelta

from ampacity.network import ForecastKind
from ampacity.operations.replay import replay
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401
from tests.operations.test_emergency import HOUR, impose_on

BEHIND = [NORTH, HARBOUR]
FALLBACK = ForecastKind.FALLBACK_CONSUMPTION


async def fallback(bench: Bench, at=AT):  # noqa: F811
    table = (await bench.on.cycles.newest_capacities(3, at))[FALLBACK]
    assert table.steps.quarters == 4
    return table.capacity_w


async def fallbacks_sent(bench: Bench) -> set[int]:  # noqa: F811
    rows = await bench.pool.fetch("select group_no from outbound_forecast where kind = $1", FALLBACK.value)
    return {r["group_no"] for r in rows}


async def all_are_equal_when_replayed(bench: Bench) -> bool:  # noqa: F811
    rows = await bench.pool.fetch("select decision_id from decision")
    return all([(await replay(r["decision_id"], PostgresRecords(bench.pool))).is_equal for r in rows])


async def test_fallbacks_are_lowered_for_the_time_of_the_emergency_and_sent(bench):  # noqa: F811
    before_w = await fallback(bench)
    await bench.pool.execute("truncate outbound_forecast")

    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR)

    after_w = await fallback(bench)
    assert (after_w[BEHIND, :30] < before_w[BEHIND, :30]).all()
    assert (after_w[:, 30:] == before_w[:, 30:]).all()
    assert (after_w[2] == before_w[2]).all()
    assert await fallbacks_sent(bench) == set(BEHIND)
    assert await all_are_equal_when_replayed(bench)


async def test_twice_the_same_lowers_fallbacks_once(bench):  # noqa: F811
    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR)
    once_w = await fallback(bench)

    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR, now=AT + timedelta(seconds=30))

    assert (await fallback(bench, AT + timedelta(seconds=30)) == once_w).all()


async def test_fallbacks_made_during_an_emergency_heed_it(bench):  # noqa: F811
    before_w = await fallback(bench)
    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR)

    await bench.cycle(AT + HOUR)

    during_w = await fallback(bench, AT + HOUR)
    assert (during_w[BEHIND, :29] < before_w[BEHIND, 1:30]).all()
    assert (during_w[BEHIND, 29:48] >= before_w[BEHIND, 30:49] - 500).all()
    assert await all_are_equal_when_replayed(bench)


async def test_fallbacks_come_back_with_the_cycle_after_an_early_end(bench):  # noqa: F811
    before_w = await fallback(bench)
    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR)
    end = AT + timedelta(minutes=5)
    await impose_on(bench, limit_w=18_000.0, until=end, now=end, reason="put out")
    await bench.pool.execute("truncate outbound_forecast")

    await bench.cycle(AT + HOUR / 4)

    assert (await fallback(bench, AT + HOUR / 4) >= before_w - 500)[BEHIND, :48].all()
    assert set(BEHIND) <= await fallbacks_sent(bench)
    assert await all_are_equal_when_replayed(bench)


async def test_without_a_new_emergency_fallbacks_are_made_once_a_day(bench):  # noqa: F811
    await impose_on(bench, limit_w=18_000.0, until=AT + 30 * HOUR)
    for quarters in (1, 2):
        await bench.cycle(AT + quarters * HOUR / 4)

    made = await bench.pool.fetch(
        "select d.made_at from decision d where kind = 'cycle' and exists"
        " (select from allocation_block a where a.decision_id = d.decision_id and a.kind = 'FALLBACK_CONSUMPTION')"
        " order by d.made_at"
    )
    assert [r["made_at"] for r in made] == [AT, AT + HOUR / 4]
