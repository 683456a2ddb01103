"""A provider is told why, and nothing of others."""

from datetime import timedelta
from itertools import pairwise

import pytest

from ampacity.errors import NotFound, NotReady
from ampacity.network import Direction
from ampacity.operations.explain import explain_group
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401


async def told(bench: Bench, group: str, at=AT, direction=Direction.IMPORT) -> list[str]:  # noqa: F811
    blocks = await explain_group(group, at, direction, grid=bench.on.grid, records=PostgresRecords(bench.pool))
    assert blocks[0].start == at
    assert all(a.end == b.start for a, b in pairwise(blocks))
    return [b.words for b in blocks]


async def test_the_element_that_binds_is_named_with_its_phase(bench):  # noqa: F811
    words = await told(bench, "north-c1")

    assert "kW: your 50 % of cable c1, bound by cable c1 on phase" in words[0]
    assert not any("harbour" in w for w in words)


async def test_what_others_lend_is_told(bench):  # noqa: F811
    await bench.ask(NORTH, 0)
    await bench.ask(HARBOUR, 25_000)
    await bench.decide()

    assert "lent by others" in (await told(bench, "harbour-c1"))[0]
    assert "lent to others" in (await told(bench, "north-c1"))[0]


async def test_feeding_in_is_explained_too(bench):  # noqa: F811
    assert (await told(bench, "north-c1", direction=Direction.EXPORT))[0] == (
        "10 kW: your 50 % of cable c1, as much as you may or asked to use"
    )


async def test_an_unknown_group_and_an_undecided_time_are_refused(bench):  # noqa: F811
    with pytest.raises(NotFound, match="no group nobody"):
        await told(bench, "nobody")
    with pytest.raises(NotReady, match="nothing was decided before"):
        await told(bench, "north-c1", at=AT - timedelta(days=3))
