"""The console without a mouse: every control is come by in order and seen, acts are done."""

import re

import pytest
from playwright.async_api import expect

from tests.console.browsing import Watched, enter

pytestmark = pytest.mark.browser
PAGES = ("/console/", "/console/grid?under=t&as=tree", "/console/negotiations", "/console/complaints",
         "/console/limits/new?id=c1", "/console/group?id=north-c1")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_tab_comes_by_everything_in_its_order_and_shows_where_it_is(browser, shown, path):
    watched = await enter(browser, shown, "root")
    await watched.go(path)
    stops, _ = await watched.ask("stops")

    came_by, faults = await _tabbed(watched, min(len(stops), 60))

    assert len(stops) > 10
    assert came_by == stops[: len(came_by)]
    assert faults == []


async def _tabbed(watched: Watched, stops: int) -> tuple[list[int], list[str]]:
    """Where Tab stops; a field for a date has several stops of its own, which count once."""
    came_by: list[int] = []
    faults = []
    for _ in range(2 * stops):
        await watched.page.keyboard.press("Tab")
        at, found = await watched.ask("focus")
        faults += found
        came_by += [at] if came_by[-1:] != [at] else []
        if len(came_by) == stops:
            break
    return came_by, faults


async def test_the_first_stop_leads_past_the_navigation(browser, shown):
    page = await (await enter(browser, shown, "vi")).go("/console/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="To the content")).to_be_focused()
    await expect(page.get_by_role("link", name="To the content")).to_be_in_viewport()

    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")
    await expect(page.get_by_role("link", name="3 all")).to_be_focused()


async def test_the_tree_of_feeders_is_walked_by_tab_and_opened_by_enter(browser, shown):
    page = await (await enter(browser, shown, "vi")).go("/console/grid?as=tree")
    drawing = page.locator("svg.grid")
    await drawing.get_by_role("link", name="t: ok").focus()
    await page.keyboard.press("Tab")
    await expect(drawing.get_by_role("link", name="c1: ok")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(drawing.get_by_role("link", name="c2: ok")).to_be_focused()

    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="c2")).to_be_visible()


async def test_a_layer_of_a_chart_is_hidden_by_keyboard_and_stays_so_when_it_is_drawn_anew(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/element?id=c1")
    limit = page.get_by_label("limit", exact=True)
    drawn = (
        "document.querySelector('[data-element-chart]').data.filter((t) => t.name === 'limit').map((t) => t.visible)"
    )
    assert await page.evaluate(drawn) == [True]

    await limit.focus()
    await page.keyboard.press("Space")
    await expect(limit).not_to_be_checked()
    assert await page.evaluate(drawn) == [False]
    await watched.look(color_scheme="dark")

    await expect(limit).not_to_be_checked()
    assert await page.evaluate(drawn) == [False]


async def test_a_menu_opens_and_closes_by_keyboard(browser, shown):
    page = await (await enter(browser, shown, "root")).go("/console/providers")
    await page.locator("summary").first.focus()

    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Invite harbour")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Invite harbour")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Space")

    await expect(page.get_by_role("button", name="Invite harbour")).to_be_hidden()


async def test_two_operators_propose_and_confirm_without_a_mouse(browser, here):
    page = await (await enter(browser, here, "ada")).go("/console/limits/new?id=c1&kind=override")
    await page.get_by_label("Limit on each phase").focus()
    await page.keyboard.type("30")
    await page.get_by_label("Why").focus()
    await page.keyboard.type("cable moved")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="What this would do")).to_be_visible()
    await _tab_to(page, "Propose the override")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("The override is proposed")).to_be_visible()

    second = await (await enter(browser, here, "grace")).go("/console/limits")
    await _tab_to(second, "Confirm")
    await second.keyboard.press("Space")

    await expect(second.get_by_text("The override is confirmed")).to_be_visible()


async def _tab_to(page, name: str) -> None:
    button = page.get_by_role("button", name=re.compile(f"^{name}"))
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await button.evaluate("e => e === document.activeElement"):
            return
    pytest.fail(f"{name} is not come by in 40 stops")
