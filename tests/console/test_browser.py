"""What people see and do, in a real browser: acts, what changes by itself, what is refused."""

import re
import time
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.console.browsing import enter
from tests.console.happenings import about_a_forecast
from tests.operations.people import PASSWORD
from tests.operations.test_cycle import AT, cycle, ports

pytestmark = pytest.mark.browser


async def test_a_person_signs_in_with_name_and_password(browser, shown):
    watched = await enter(browser, shown, "vi")
    await watched.page.context.clear_cookies()
    page = await watched.go("/console/grid")
    await page.get_by_label("Name").fill("vi")
    await page.get_by_label("Password").fill(PASSWORD)

    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("heading", name="The grid from its roots")).to_be_visible()
    assert watched.wrong == []


async def test_a_committed_cycle_appears_within_two_seconds_without_reloading(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/")
    await expect(page.locator("#stream")).to_have_text("live")
    await page.evaluate("window.stays = 'here'")
    here.world.clock.at = AT + timedelta(minutes=15)

    await cycle(ports(here.world.pool), AT + timedelta(minutes=15))
    begun = time.monotonic()
    await expect(page.locator("#status")).to_contain_text("cycle 01:15", timeout=2_000)
    took_s = time.monotonic() - begun

    assert took_s < 2.0
    assert await page.evaluate("window.stays") == "here"
    assert watched.wrong == []


async def test_given_up_messages_and_acts_of_others_appear_by_themselves(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/audit?decisions=no")
    await expect(page.locator("#stream")).to_have_text("live")

    await here.world.pool.execute("update outbound_forecast set dead_at = now(), last_error = '500' where group_no = 2")
    await expect(page.locator("#status")).to_contain_text("dead letter", timeout=2_000)
    await here.world.pool.execute("insert into act (at, who, what) values (now(), 'eve', 'lent a hand')")
    await expect(page.get_by_role("row", name=re.compile("eve.*lent a hand"))).to_be_visible(timeout=2_000)


async def test_a_banner_tells_when_the_stream_is_lost_and_since_when(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/")
    await expect(page.locator("#stream")).to_have_text("live")

    here.server.should_exit = True

    await expect(page.locator("#stream")).to_contain_text("not live since", timeout=15_000)


async def test_two_operators_confirm_an_override_each_in_their_own_browser(browser, here):
    one, other = await enter(browser, here, "ada"), await enter(browser, here, "grace")
    page = await one.go("/console/element?id=c1")
    await page.get_by_role("link", name="Override…").click()
    await page.get_by_label("Limit on each phase").fill("30")
    await page.get_by_label("Why").fill("cable moved")
    await page.get_by_role("button", name="Show what it would do").click()
    await expect(page.get_by_role("heading", name="What this would do")).to_be_visible()
    await page.get_by_role("button", name="Propose the override").click()
    await expect(page.get_by_text("a second person confirms it", exact=True)).to_be_visible()
    assert await page.get_by_role("button", name="Confirm").count() == 0

    second = await other.go("/console/limits")
    await second.get_by_role("button", name="Confirm").click()

    await expect(second.get_by_text("The override is confirmed")).to_be_visible()
    await expect(page.locator("#limits")).to_contain_text("confirmed by grace", timeout=3_000)
    assert one.wrong == other.wrong == []


async def test_an_emergency_limit_is_set_by_keyboard(browser, here):
    watched = await enter(browser, here, "ada")
    page = await watched.go("/console/limits/new?id=c1&kind=emergency")
    await page.get_by_label("Limit on each phase").focus()
    await page.keyboard.type("26")
    await page.get_by_label("Why").focus()
    await page.keyboard.type("hot joint")
    await page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Set the emergency limit now")
    await expect(button).to_be_visible()
    await button.focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("The limit holds")).to_be_visible()
    page = await watched.go("/console/group?id=north-c1")
    await expect(page.get_by_text("emergency limit on c1")).to_be_visible()


async def test_a_viewer_is_refused_with_the_reason(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/limits/new?id=c1")

    await expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    await expect(page.get_by_text("vi is viewer")).to_be_visible()


async def test_what_is_typed_and_what_is_open_stays_when_something_changes(browser, here):
    watched = await enter(browser, here, "ada")
    page = await watched.go("/console/complaints")
    await expect(page.locator("#stream")).to_have_text("live")
    await page.get_by_text("The quarter hours that it names").click()
    await expect(page.locator("#complaint-1 pre")).to_be_visible()

    await about_a_forecast(here.world.pool, "a second charger", "about-two")
    await expect(page.get_by_text("a second charger")).to_be_visible(timeout=2_000)
    await expect(page.locator("#complaint-1 pre")).to_be_visible()
    await page.get_by_label("What was done about complaint 2").fill("sent a v")
    await about_a_forecast(here.world.pool, "a third charger", "about-three")
    await expect(page.locator("#status")).to_contain_text("3 complaints", timeout=2_000)
    await page.keyboard.type("an")

    await expect(page.get_by_label("What was done about complaint 2")).to_have_value("sent a van")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("a third charger")).to_be_visible()
    await expect(page.get_by_text("sent a van")).to_be_visible()
    assert watched.wrong == []


async def test_an_explanation_that_is_open_stays_and_is_as_new_as_the_server(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/group?id=north-c1")
    await expect(page.locator("#stream")).to_have_text("live")
    row = page.get_by_role("row", name=re.compile("^01:30"))
    await row.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Consumption at 01:30")).to_be_visible()
    await expect(page.locator("#stream")).to_have_text("live")
    here.world.clock.at = AT + timedelta(minutes=15)

    await cycle(ports(here.world.pool), AT + timedelta(minutes=15))

    await expect(page.locator("#why-box")).to_contain_text("at first", timeout=3_000)
    await expect(page.get_by_role("heading", name="Consumption at 01:30")).to_be_visible()


async def test_pointing_at_a_quarter_spells_its_sum_out(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/element?id=c1")
    box = await page.locator("[data-element-chart]").bounding_box()
    await page.locator("[data-element-chart]").scroll_into_view_if_needed()
    box = await page.locator("[data-element-chart]").bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.5)
    await page.mouse.move(box["x"] + box["width"] * 0.81, box["y"] + box["height"] * 0.5)

    await expect(page.locator("#readout")).to_contain_text("= headroom")
