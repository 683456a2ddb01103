"""Acts that follow from looking: replay, acknowledge, an override that counts at once; in a real browser."""

import re

import pytest
from playwright.async_api import expect

from ampacity.identity import OpenIdProvider
from tests.console.browsing import enter
from tests.console.provider import CLIENT
from tests.console.served import served
from tests.console.test_oidc import provider, with_provider  # noqa: F401

pytestmark = pytest.mark.browser


async def test_a_negotiation_is_replayed_from_its_page(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/negotiation?no=1")

    await page.get_by_role("link", name="Replay the decision").click()

    await expect(page.get_by_text("equal to the byte")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Computed again")).to_be_visible()
    assert watched.wrong == []


async def test_a_complaint_is_acknowledged_where_it_is_read_and_the_alarm_goes(browser, here):
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


async def test_an_override_that_counts_at_once_is_decided_when_the_second_person_confirms(browser, here):
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


async def test_the_element_page_draws_how_well_its_quantiles_are_calibrated(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/element?id=c1")

    plot = page.get_by_role("img", name="Calibration")
    await expect(plot).to_be_visible()
    assert await plot.locator(".mark").count() == 5
    assert await plot.locator(".mark.over").count() == 1
    await expect(page.get_by_role("row", name="below 5 %")).to_contain_text("33.33 %")


async def test_a_waiting_request_is_answered_by_an_operator_and_not_by_a_viewer(browser, here):
    one, other = await enter(browser, here, "ada"), await enter(browser, here, "vi")
    page, looked_at = await one.go("/console/negotiations"), await other.go("/console/negotiations")
    await expect(looked_at.locator("#for-person").get_by_text("an operator answers it")).to_have_count(2)
    assert await looked_at.get_by_role("button", name=re.compile("Yes|No")).count() == 0
    await expect(looked_at.locator("#stream")).to_have_text("live")

    harbour = page.get_by_role("row", name=re.compile("2: what it would do"))
    await harbour.get_by_role("button", name="Yes: let the rule decide").click()
    await expect(page.get_by_text("The request is approved")).to_be_visible()
    await expect(looked_at.locator("#for-person").get_by_text("an operator answers it")).to_have_count(1, timeout=3_000)

    north = page.get_by_role("row", name=re.compile("3: what it would do"))
    await north.get_by_role("button", name="No: refuse it").click()
    await expect(page.get_by_role("alert")).to_contain_text("a no needs a reason")
    await north.get_by_label("Why, about request 3").fill("works on the cable")
    await north.get_by_role("button", name="No: refuse it").click()
    await expect(page.get_by_text("The request is refused")).to_be_visible()

    await expect(looked_at.locator("#for-person").get_by_role("row")).to_have_count(0, timeout=3_000)
    log = await other.go("/console/audit?decisions=no")
    await expect(log.get_by_role("row", name=re.compile("ada.*approved a request.*harbour-c1"))).to_be_visible()
    await expect(log.get_by_role("row", name=re.compile("ada.*refused a request.*works on the cable"))).to_be_visible()
    assert other.wrong == []


async def test_somebody_enters_through_an_identity_provider(browser, decided_copy, provider):  # noqa: F811
    identity = OpenIdProvider(provider.issuer, *CLIENT)
    async with served(decided_copy, {}, settings=with_provider(provider), identity=identity) as there:
        page = await browser.new_page()
        await page.goto(f"{there.url}/console/limits")
        await page.get_by_role("link", name="Sign in with your organisation’s account").click()

        await expect(page.get_by_role("heading", name="Limits that people set")).to_be_visible()
        await expect(page.get_by_text("Alan (operator)")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("link", name="Sign in with your organisation’s account")).to_be_visible()
        await page.context.close()
