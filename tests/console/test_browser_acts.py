"""Acts that follow from looking: replay, acknowledge, an override that counts at once; in a real browser."""

import re

import pytest
from playwright.async_api import expect

from tests.console.test_browser import browser, enter, here  # noqa: F401

pytestmark = pytest.mark.browser


async def test_a_negotiation_is_replayed_from_its_page(browser, here):  # noqa: F811
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/negotiation?no=1")

    await page.get_by_role("link", name="Replay the decision").click()

    await expect(page.get_by_text("equal to the byte")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Computed again")).to_be_visible()
    assert watched.wrong == []


async def test_a_complaint_is_acknowledged_where_it_is_read_and_the_alarm_goes(browser, here):  # noqa: F811
    watched = await enter(browser, here, "ada")
    page = await watched.go("/console/")
    await page.get_by_role("link", name="1 complaint of providers").click()
    await page.get_by_role("link", name="north-c1").click()
    await page.get_by_label("What was done about complaint 1").fill("sent a van")

    await page.get_by_role("button", name="Acknowledge").click()

    await expect(page.locator("#complaints-box")).to_contain_text("acknowledged")
    await expect(page.locator("#complaints-box")).to_contain_text("sent a van")
    await expect(page.locator("#status")).not_to_contain_text("complaint")
    assert watched.wrong == []


async def test_an_override_that_counts_at_once_is_decided_when_the_second_person_confirms(browser, here):  # noqa: F811
    one, other = await enter(browser, here, "ada"), await enter(browser, here, "grace")
    page = await one.go("/console/limits/new?id=c1&kind=override")
    await page.get_by_label(re.compile("at once, when the second person")).check()
    await page.get_by_label("Limit on each phase").fill("26")
    await page.get_by_label("Why").fill("cable moved")
    await page.get_by_role("button", name="Show what it would do").click()
    await expect(page.get_by_text("It counts at once when a second person confirms it")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("north-c1"))).to_be_visible()
    await page.get_by_role("button", name="Propose the override").click()
    before = await here.world.pool.fetchval("select count(*) from decision")

    second = await other.go("/console/limits")
    await second.get_by_role("button", name=re.compile("Confirm: hold .* at once")).click()

    await expect(second.get_by_text("The override is confirmed and counts now")).to_be_visible()
    kinds = [r["kind"] for r in await here.world.pool.fetch("select kind::text from decision order by decision_id")]
    assert (len(kinds), kinds[-1]) == (before + 1, "override")
    shown = await other.go("/console/group?id=north-c1")
    await expect(shown.get_by_text("override limit on c1")).to_be_visible()
    assert one.wrong == other.wrong == []


async def test_the_element_page_draws_how_well_its_quantiles_are_calibrated(browser, here):  # noqa: F811
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/element?id=c1")

    plot = page.get_by_role("img", name="Calibration")
    await expect(plot).to_be_visible()
    assert await plot.locator(".mark").count() == 5
    assert await plot.locator(".mark.over").count() == 1
    await expect(page.get_by_role("row", name="below 5 %")).to_contain_text("33.33 %")
