"""Every request is answered: a repeated one under each of its ids, one that comes early after the first cycle."""

import numpy as np
import pytest

from ampacity.network import ForecastKind
from ampacity.operations.replay import replay
from ampacity.operations.take_in import take_in
from ampacity.peers.types import CapacityRequest
from ampacity.store.asked import AskedStore
from ampacity.store.records import PostgresRecords
from ampacity.timegrid import quarter_at
from tests.operations.test_adjust import AT, NORTH, Bench, bench  # noqa: F401
from tests.peers.test_outbox import sink
from tests.peers.world import until, world

CONSUMPTION = ForecastKind.CONSUMPTION


async def ask(bench: Bench, request_id: str, wanted_w: float, kind=CONSUMPTION) -> int | None:  # noqa: F811
    """What a provider's message becomes: the content is what it wants, whatever its id."""
    wanted = np.full(4, wanted_w, np.float32)
    request = CapacityRequest(
        group_id="north-c1", kind=kind, request_id=request_id, content_hash=kind.value.encode() + wanted.tobytes(),
        first_quarter=quarter_at(AT), wanted_w=wanted,
    )  # fmt: skip
    return await AskedStore(bench.pool).add_request(0, request, AT)


async def answers(bench: Bench) -> list[tuple[str, int]]:  # noqa: F811
    rows = await bench.pool.fetch(
        "select correlation_id, decision_id from outbound_forecast where correlation_id is not null order by message_id"
    )
    return [tuple(row) for row in rows]


async def test_a_repeat_of_a_decided_request_is_answered_by_the_same_decision(bench):  # noqa: F811
    await ask(bench, "first", 12_345)
    await bench.decide()

    assert await ask(bench, "again", 12_345) is None
    assert await ask(bench, "again", 12_345) is None  # the repeat itself repeated
    await bench.decide()

    [(first, decision), (again, same)] = await answers(bench)
    assert (first, again) == ("first", "again")
    assert same == decision
    assert await bench.pool.fetchval("select count(*) from decision where kind = 'request'") == 1
    assert [s for _, s, _ in await bench.story()] == ["received", "returned"] or len(await bench.story()) == 2


async def test_a_repeat_of_an_undecided_request_is_answered_with_it(bench):  # noqa: F811
    await ask(bench, "first", 12_345)
    await ask(bench, "again", 12_345)
    await ask(bench, "and again", 12_345)
    assert await answers(bench) == []

    await bench.decide()

    told = await answers(bench)
    assert [correlation for correlation, _ in told] == ["first", "again", "and again"]
    assert len({decision for _, decision in told}) == 1
    assert (await replay(told[0][1], PostgresRecords(bench.pool))).is_equal


async def test_what_was_asked_before_something_else_is_asked_anew(bench):  # noqa: F811
    for n, wanted_w in enumerate((3_000, 2_000, 3_000)):
        assert await ask(bench, f"r{n}", wanted_w) is not None
        await bench.decide()

    assert [correlation for correlation, _ in await answers(bench)] == ["r0", "r1", "r2"]
    assert (await bench.capacity_w())[NORTH, :4].max() == 3_000


async def test_after_ten_minutes_it_is_a_request_of_its_own(bench):  # noqa: F811
    first = await ask(bench, "first", 3_000)
    await bench.pool.execute("update capacity_request set recorded_at = now() - interval '10 minutes'")

    assert await ask(bench, "later", 3_000) not in (None, first)


async def test_an_id_of_a_repeat_is_good_for_that_content_only(bench):  # noqa: F811
    await ask(bench, "first", 3_000)
    await ask(bench, "again", 3_000)

    with pytest.raises(Exception, match="came before with other content"):
        await ask(bench, "again", 4_000)


async def test_a_repeat_goes_out_on_the_wire_with_its_own_correlation(bench):  # noqa: F811
    await bench.pool.execute("update outbound_forecast set superseded_at = now()")
    await ask(bench, "first", 12_345)
    await bench.decide()
    async with sink(bench.pool, "north") as fp, world(bench.pool) as here:
        await until(lambda: len(fp.got) == 1)
        await ask(bench, "again", 12_345)
        here.peering.woken.set()
        await until(lambda: len(fp.got) == 2)

    (first, first_headers), (again, again_headers) = fp.got
    assert first_headers["x-correlation-id"] == "first"
    assert again_headers["x-correlation-id"] == "again"
    assert again == first


@pytest.mark.parametrize(("refusal", "correlations"), [("forecast", ["first", "again"]), ("silence", [])])
async def test_a_refused_repeat_is_told_as_the_peer_wants_it(bench, refusal, correlations):  # noqa: F811
    await bench.pool.execute("update outbound_forecast set superseded_at = now()")
    await ask(bench, "first", 500, ForecastKind.FALLBACK_CONSUMPTION)  # cannot be asked for
    await bench.decide()
    await ask(bench, "again", 500, ForecastKind.FALLBACK_CONSUMPTION)

    async with sink(bench.pool, "north", profile={"refusal": refusal}) as fp, world(bench.pool):

        async def nothing_waits():
            return not await bench.pool.fetchval(
                "select count(*) from outbound_forecast where sent_at is null and superseded_at is null"
            )

        await until(nothing_waits)

    assert [headers["x-correlation-id"] for _, headers in fp.got] == correlations


async def test_what_is_asked_before_the_first_cycle_is_answered_after_it(pool, given):
    early = Bench(pool)
    await take_in(given, grid=early.on.grid, now=AT)
    await ask(early, "early", 3_000)
    await ask(early, "early too", 500, ForecastKind.FALLBACK_CONSUMPTION)
    assert await early.decide() == 0
    assert await answers(early) == []

    await early.cycle()
    assert await early.decide() == 2

    assert {correlation for correlation, _ in await answers(early)} == {"early", "early too"}
    assert {s for _, s, _ in await early.story()} >= {"returned", "refused"}
