"""A request's life, every step of it an event: decided, published, active, and its end."""

from datetime import timedelta

import pytest

from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

QUARTER = timedelta(minutes=15)


async def steps(bench: Bench, group: int) -> list[str]:  # noqa: F811
    return [step for g, step, _ in await bench.story() if g == group]


@pytest.fixture
async def granted(bench) -> Bench:  # noqa: F811
    """HARBOUR holds a grant of an hour, an hour from now."""
    await bench.ask(NORTH, 0, at=AT + 4 * QUARTER)
    await bench.decide()
    await bench.ask(HARBOUR, 20_000, at=AT + 4 * QUARTER)
    await bench.decide()
    await bench.pool.execute("delete from request_event where request_no = 1")
    return bench


async def follow(bench: Bench, quarters: int) -> None:  # noqa: F811
    await bench.on.requests.follow(AT + quarters * QUARTER)


async def test_it_is_published_when_its_answer_is_sent(granted):
    await follow(granted, 0)
    assert await steps(granted, HARBOUR) == ["granted"]

    await granted.pool.execute("update outbound_forecast set sent_at = now() where correlation_id is not null")
    await follow(granted, 0)

    assert await steps(granted, HARBOUR) == ["granted", "published"]


async def test_it_is_active_from_its_first_quarter_and_expires_after_its_last(granted):
    for quarters in (0, 3, 4, 5, 7, 8, 9):
        await follow(granted, quarters)

    assert await steps(granted, HARBOUR) == ["granted", "active", "expired"]


async def test_it_is_released_when_it_is_given_back(granted):
    await granted.ask(HARBOUR, 0, at=AT + 4 * QUARTER, name="back")
    await granted.decide()

    for quarters in (1, 4, 8):
        await follow(granted, quarters)

    assert await steps(granted, HARBOUR) == ["granted", "returned", "released"]
    assert (HARBOUR, "released", "given back by request back") in await granted.story()


async def test_following_twice_notes_nothing_twice(granted):
    await follow(granted, 4)

    assert await granted.on.requests.follow(AT + 4 * QUARTER) == 0
