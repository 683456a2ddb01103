"""Who gives back what was lent is told soon enough, and once for all that is taken back in a while."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from ampacity.operations.settings import NegotiationSettings
from ampacity.store.outbox import OutboxStore
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, on_a_tight_cable

LATER = AT + timedelta(hours=1)
OWNER = UUID(int=1)


@dataclass
class Lent:
    """A cable of which north gave its share back, and harbour borrowed it; north asks for it again, by steps."""

    bench: Bench
    wait_s: float = 30.0

    async def lend(self, start):
        await self.ask(NORTH, 0, start)
        await self.ask(HARBOUR, 40_000, start)
        await self.bench.pool.execute("update outbound_forecast set sent_at = now() where sent_at is null")

    async def ask(self, group, wanted_w, start):
        """A request, decided; gives the number of the decision."""
        await self.bench.ask(group, wanted_w, start=start, name=f"{group} {wanted_w} {start:%H%M}")
        await self.bench.decide(rules=NegotiationSettings(recall_wait_s=self.wait_s))
        return await self.bench.pool.fetchval("select max(decision_id) from decision")

    async def told(self):
        """What is to be sent to harbour, with the seconds that it waits."""
        rows = await self.bench.pool.fetch(
            "select decision_id, extract(epoch from due_at - created_at)::float8 as wait_s from outbound_forecast"
            " where group_no = $1 and sent_at is null and superseded_at is null order by message_id",
            HARBOUR,
        )
        return [(r["decision_id"], r["wait_s"]) for r in rows]

    async def claimed(self):
        """The decisions that a sender takes to harbour now."""
        await self.bench.pool.execute(
            "insert into peer (provider_no, state, state_since) values (1, 'connected', now()) on conflict do nothing"
        )
        found = await OutboxStore(self.bench.pool).claim_few([1], OWNER, each=10, lease_s=60)
        numbers = [m.message_id for m in found.get(1, [])]
        rows = await self.bench.pool.fetch(
            "select decision_id from outbound_forecast where message_id = any ($1::bigint[])", numbers
        )
        return [r["decision_id"] for r in rows]


@pytest.fixture
async def lent(pool, given):
    lent = Lent(await on_a_tight_cable(pool, given))
    for start in (AT, LATER):
        await lent.lend(start)
    return lent


async def test_what_is_taken_back_of_a_later_hour_is_told_in_one_message(lent):
    first = await lent.ask(NORTH, 2_000, LATER)
    assert await lent.told() == [(first, pytest.approx(30, abs=0.01))]
    await lent.bench.pool.execute("update outbound_forecast set due_at = due_at - interval '20 seconds'")

    second = await lent.ask(NORTH, 4_000, LATER)

    assert second > first
    assert await lent.told() == [(second, pytest.approx(10, abs=0.01))]  # when it would have gone anyway
    assert await lent.claimed() == []


async def test_what_is_taken_back_of_this_quarter_is_told_at_once_and_with_it_what_waited(lent):
    later = await lent.ask(NORTH, 2_000, LATER)

    now = await lent.ask(NORTH, 2_000, AT)

    assert await lent.told() == [(later, pytest.approx(30, abs=0.01)), (now, 0)]
    assert await lent.claimed() == [now]
    assert await lent.told() == [(now, 0)]


async def test_nothing_waits_longer_for_what_is_taken_back_later(lent):
    await lent.ask(NORTH, 2_000, AT)
    now = await lent.ask(NORTH, 4_000, LATER)
    assert await lent.told() == [(now, 0)]  # in the message that was to go at once

    assert await lent.claimed() == [now]
    under_way = now
    then = await lent.ask(NORTH, 6_000, LATER)

    assert [decision for decision, _ in await lent.told()] == [under_way, then]
    assert all(wait_s <= 0 for _, wait_s in await lent.told())


async def test_a_message_that_was_tried_keeps_what_it_says(lent):
    first = await lent.ask(NORTH, 2_000, LATER)
    await lent.bench.pool.execute("update outbound_forecast set attempts = 1 where sent_at is null")

    second = await lent.ask(NORTH, 4_000, LATER)

    assert [decision for decision, _ in await lent.told()] == [first, second]


async def test_the_quarters_after_five_minutes_may_wait_those_before_may_not(lent):
    soon = AT + timedelta(minutes=15)
    await lent.lend(soon)
    lent.wait_s = 300.0
    assert [w for _, w in await _after(lent, NORTH, 2_000, soon)] == [pytest.approx(300, abs=0.01)]

    await lent.bench.pool.execute("update outbound_forecast set sent_at = now() where sent_at is null")
    await lent.bench.ask(NORTH, 4_000, start=soon, name="five minutes on", at=AT)
    rules = NegotiationSettings(recall_wait_s=300.0)
    await lent.bench.decide(at=AT + timedelta(minutes=6), rules=rules)

    assert [w for _, w in await lent.told()] == [0]


async def test_it_can_be_told_each_time(lent):
    lent.wait_s = 0.0
    told = [await lent.ask(NORTH, watts, LATER) for watts in (2_000, 4_000)]

    assert await lent.told() == [(decision, 0) for decision in told]


async def _after(lent, *asked):
    await lent.ask(*asked)
    return await lent.told()
