"""Requests wait for their gate, small ones and returns do not; the policy may be first come first served."""

from datetime import timedelta

from ampacity.allocation import Order
from ampacity.operations.adjust import decide_waiting
from ampacity.operations.replay import replay
from ampacity.operations.settings import NegotiationSettings
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

MINUTE = timedelta(minutes=1)


async def decide(bench: Bench, at, **rules) -> int:  # noqa: F811
    return await decide_waiting(at, grid=bench.on.grid, requests=bench.on.requests, rules=NegotiationSettings(**rules))


async def test_what_is_asked_in_a_window_is_decided_together_at_its_end(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, at=AT)
    assert await decide(bench, AT + MINUTE, gate_s=300) == 0

    await bench.ask(HARBOUR, 40_000, at=AT + 2 * MINUTE)
    assert await decide(bench, AT + 5 * MINUTE, gate_s=300) == 2

    capacity_w = await bench.capacity_w(AT + 5 * MINUTE)
    assert abs(capacity_w[NORTH, 1] - capacity_w[HARBOUR, 1]) <= 1


async def test_a_return_does_not_wait(bench):  # noqa: F811
    await bench.ask(NORTH, 40_000, at=AT)
    await bench.ask(HARBOUR, 100, at=AT)

    assert await decide(bench, AT + MINUTE, gate_s=86_400) == 1

    assert [(g, s) for g, s, _ in await bench.story()] == [(HARBOUR, "returned")]


async def test_what_one_keeps_asking_until_the_gate_does_not_hide_another(bench):  # noqa: F811
    for n in range(1_100):
        await bench.ask(NORTH, 30_000 + n, at=AT, name=f"again {n}")
    await bench.ask(HARBOUR, 100, at=AT)

    assert await decide(bench, AT + MINUTE, gate_s=86_400) == 1

    assert [(g, s) for g, s, _ in await bench.story()] == [(HARBOUR, "returned")]
    assert await bench.pool.fetchval("select count(*) from open_request") == 1_100


async def test_a_little_more_does_not_wait(bench):  # noqa: F811
    little_w = float((await bench.capacity_w())[2, :4].max()) + 1_000
    await bench.ask(2, little_w, at=AT)

    assert await decide(bench, AT + MINUTE, gate_s=86_400, instant_fraction=0.05) == 1


async def test_asking_for_a_little_again_and_again_wins_no_more_than_once(bench):  # noqa: F811
    at_once = {"gate_s": 86_400, "instant_fraction": 0.05}
    await bench.ask(HARBOUR, 0, at=AT)
    await decide(bench, AT, **at_once)
    before_w = (await bench.capacity_w())[NORTH, :4]

    for n in range(1, 11):
        await bench.ask(NORTH, float(before_w.max()) + n * 500, at=AT, name=f"poll {n}")
        await decide(bench, AT + n * MINUTE, **at_once)

    after_w = (await bench.capacity_w(AT + timedelta(hours=1)))[NORTH, :4]
    assert 1_000 <= (after_w - before_w).max() <= 0.05 * 40_000
    assert len([s for g, s, _ in await bench.story() if g == NORTH]) <= 4
    await bench.ask(NORTH, 40_000, at=AT + timedelta(hours=2), name="later")
    assert await decide(bench, AT + timedelta(days=1), **at_once) >= 1


async def test_first_come_first_served_is_a_policy_and_can_be_replayed(bench):  # noqa: F811
    await bench.ask(2, 0, at=AT)
    await decide(bench, AT)
    await bench.ask(NORTH, 40_000, at=AT)
    await bench.ask(HARBOUR, 40_000, at=AT)
    before_w = await bench.capacity_w()

    assert await decide(bench, AT, order=Order.FIRST_COME) == 2

    after_w = await bench.capacity_w()
    assert (after_w[NORTH] >= before_w[NORTH]).all()
    assert (after_w[HARBOUR] == before_w[HARBOUR]).all()
    for row in await bench.pool.fetch("select decision_id from decision"):
        assert (await replay(row["decision_id"], PostgresRecords(bench.pool))).is_equal
