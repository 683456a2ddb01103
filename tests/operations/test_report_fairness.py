"""A regulator sees what everybody held, asked and was refused."""

from datetime import timedelta

import pytest

from ampacity.app.commands.fairness_command import page
from ampacity.errors import NotReady
from ampacity.network import Direction
from ampacity.operations.report_fairness import FairnessReport, report_fairness
from ampacity.store.records import PostgresRecords
from tests.operations.test_adjust import AT, HARBOUR, NORTH, Bench, bench  # noqa: F401

QUARTER = timedelta(minutes=15)


async def report(bench: Bench, quarters: int = 1, start=AT) -> FairnessReport:  # noqa: F811
    return await report_fairness(
        start, start + quarters * QUARTER, Direction.IMPORT, grid=bench.on.grid, records=PostgresRecords(bench.pool)
    )


async def test_what_is_lent_and_borrowed_is_told_by_provider(bench):  # noqa: F811
    await bench.ask(NORTH, 0)
    await bench.decide()
    await bench.ask(HARBOUR, 25_000)
    await bench.ask(HARBOUR, 40_000, name="more")
    await bench.decide()
    await bench.cycle(AT + QUARTER)

    told = await report(bench, quarters=2)

    north, harbour = told.providers
    assert told.quarters == 2
    assert (north.provider_id, north.groups, harbour.groups) == ("north", 2, 1)
    assert north.lent_wh > 4_000
    assert harbour.borrowed_wh > 3_000
    assert harbour.part_of_entitlement > 1.2
    assert harbour.requests is not None
    assert (harbour.requests.asked, harbour.requests.granted + harbour.requests.partly) == (2, 2)
    assert harbour.requests.median_answer_s is not None
    assert north.requests is not None
    assert north.requests.returned == 1


async def test_the_pool_that_is_kept_is_all_that_is_left(bench):  # noqa: F811
    told = await report(bench)

    assert told.stranded_wh < 200
    assert all(p.worst_regret_w < 500 for p in told.providers)


async def test_the_page_names_every_provider(bench):  # noqa: F811
    html = page(await report(bench))

    assert "<td>north</td>" in html
    assert "<td>harbour</td>" in html
    assert "http" not in html


async def test_a_time_without_decisions_is_refused(bench):  # noqa: F811
    with pytest.raises(NotReady, match="nothing was decided between"):
        await report(bench, start=AT - timedelta(days=9))
