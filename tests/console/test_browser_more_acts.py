"""The acts that undo, repair and let in, in a real browser."""

import re

import pytest
from playwright.async_api import expect

from tests.console.browsing import enter

pytestmark = pytest.mark.browser


async def test_an_override_is_refused_and_an_emergency_withdrawn(browser, here):
    one, other = await enter(browser, here, "ada"), await enter(browser, here, "grace")
    for kind, button in (("override", "Propose the override"), ("emergency", "Set the emergency limit now")):
        page = await one.go(f"/console/limits/new?id=c1&kind={kind}&limit_a=26&reason=hot+joint")
        await page.get_by_role("button", name="Show what it would do").click()
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("heading", name="Limits that people set")).to_be_visible()

    second = await other.go("/console/limits")
    await second.get_by_role("row", name=re.compile("override")).get_by_role("button", name="Refuse").click()
    await expect(second.get_by_text("The override is refused")).to_be_visible()
    await second.get_by_role("row", name=re.compile("emergency")).get_by_role("button", name="Withdraw").click()

    await expect(second.get_by_text("The limit is withdrawn")).to_be_visible()
    await expect(second.get_by_text("refused by grace")).to_be_visible()
    await expect(second.get_by_text("withdrawn by grace")).to_be_visible()
    await expect(second.get_by_role("button", name=re.compile("Confirm|Refuse|Withdraw"))).to_have_count(0)
    assert one.wrong == other.wrong == []


async def test_dead_letters_are_sent_again_and_a_provider_is_invited_and_removed(browser, here):
    await here.world.pool.execute("update outbound_forecast set dead_at = now(), last_error = '500 boom'")
    watched = await enter(browser, here, "root")
    page = await watched.go("/console/providers")
    north = page.get_by_role("row", name=re.compile("^north"))
    await expect(page.get_by_text("500 boom").first).to_be_visible()

    await north.get_by_role("button", name=re.compile(r"Send \d+ again")).click()
    await expect(north.get_by_role("button", name=re.compile("again"))).to_have_count(0)
    await north.get_by_text("Invite or remove").click()
    await north.get_by_role("button", name="Invite north").click()
    await expect(page.get_by_text("The token for north, shown this once")).to_be_visible()
    await north.get_by_text("Invite or remove").click()
    await north.get_by_role("button", name="Remove north").click()

    await expect(north).to_contain_text("removed")
    assert watched.wrong == []


async def test_an_administrator_lets_a_person_in_and_closes_an_account(browser, here):
    watched = await enter(browser, here, "root")
    page = await watched.go("/console/accounts")
    new = page.get_by_role("region", name="Let a person in")
    await new.get_by_label("Name", exact=True).fill("mary")
    await new.get_by_label("Role").select_option("planner")
    await new.get_by_label("Password").fill("a long enough secret")
    await new.get_by_role("button", name="Add").click()
    mary = page.get_by_role("row", name=re.compile("^mary"))
    await expect(mary.get_by_label("Role")).to_have_value("planner")

    await mary.get_by_label("closed").check()
    await mary.get_by_role("button", name="Save").click()

    await expect(mary).to_contain_text("closed")
    assert watched.wrong == []


async def test_the_theme_that_is_chosen_holds_on_every_page(browser, shown):
    page = await (await enter(browser, shown, "vi", color_scheme="light")).go("/console/quality")
    await page.get_by_role("button", name="Theme: system").click()

    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.get_by_role("link", name="Overview").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 21, 23)"
