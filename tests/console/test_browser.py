"""What people see and do, in a real browser: every page in both themes, acts, what changes by itself."""

import os
import shutil
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from ampacity.people import Role
from tests.console.served import Served, served
from tests.console.test_complaints import about_a_forecast
from tests.console.test_pages import score_element_c1
from tests.console.world import wall
from tests.operations.people import PASSWORD, person
from tests.operations.test_adjust import Bench
from tests.operations.test_cycle import AT, cycle, ports

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
HAS_CHROMIUM = Path(CHROMIUM).is_file()
pytestmark = pytest.mark.browser
PAGES = (
    "/console/", "/console/grid", "/console/grid?under=t&as=tree", "/console/element?id=c1",
    "/console/group?id=north-c1", "/console/negotiations", "/console/negotiation?no=1&replay=1",
    "/console/negotiation?no=2", "/console/providers", "/console/complaints",
    "/console/limits", "/console/limits/new?id=c1", "/console/quality", "/console/audit", "/console/decision?no=1",
    "/console/accounts",
)  # fmt: skip
PEOPLE = {"ada": Role.OPERATOR, "grace": Role.OPERATOR, "vi": Role.VIEWER, "root": Role.ADMIN}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not HAS_CHROMIUM:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing, which CI installs")
        pytest.skip("these tests need Debian's chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def here(decided_copy: str) -> AsyncIterator[Served]:
    async with served(decided_copy) as running:
        for name, role in PEOPLE.items():
            await person(running.world.pool, name, role, wall)
        await _ask(running)
        await about_a_forecast(running.world.pool, "a charger is broken")
        await score_element_c1(running.world)
        yield running


async def _ask(running: Served) -> None:
    """A provider's request that was decided, and one that waits."""
    bench = Bench(running.world.pool)
    now = AT + timedelta(minutes=3)
    await bench.ask(0, 40_000.0, at=now)
    await bench.decide(now)
    await bench.ask(1, 15_000.0, at=now)


class Watched:
    """A page that notes what goes wrong: errors on its console, requests to other hosts."""

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        self.page = page
        self.url = url
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: None if r.url.startswith((url, "data:")) else self.wrong.append(r.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(message.text)

    async def go(self, path: str) -> Page:
        await self.page.goto(self.url + path, wait_until="load")
        for chart in await self.page.locator("[data-element-chart], [data-group-chart]").all():
            await expect(chart).to_have_attribute("data-drawn", "yes", timeout=15_000)
        return self.page


async def enter(browser: Browser, here: Served, name: str, **more: object) -> Watched:
    context: BrowserContext = await browser.new_context(
        viewport={"width": 1280, "height": 720}, reduced_motion="reduce", **more
    )
    watched = Watched(await context.new_page(), here.url)
    page = await watched.go("/console/sign-in")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Where it is tight")).to_be_visible()
    return watched


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_quiet_and_asks_nobody_else(browser, here, scheme):
    watched = await enter(browser, here, "root", color_scheme=scheme)
    faults = []

    for path in PAGES:
        page = await watched.go(path)
        found = (await Axe().run(page)).response["violations"]
        faults += [(path, v["id"], v["nodes"][0]["html"][:200]) for v in found]
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        faults += [(path, "wider than the window", str(wide))] if wide > 0 else []

    assert faults == []
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


async def test_a_viewer_is_refused_with_the_reason(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/limits/new?id=c1")

    await expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    await expect(page.get_by_text("vi is viewer")).to_be_visible()


async def test_what_is_being_typed_is_not_lost_when_something_changes(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/")
    await page.get_by_label("Find").fill("c")

    await here.world.pool.execute("select pg_notify('ampacity_changed', 'decision:0')")
    await page.wait_for_timeout(800)

    await expect(page.get_by_label("Find")).to_have_value("c")


async def test_pointing_at_a_quarter_spells_its_sum_out(browser, here):
    watched = await enter(browser, here, "vi")
    page = await watched.go("/console/element?id=c1")
    box = await page.locator("[data-element-chart]").bounding_box()
    await page.locator("[data-element-chart]").scroll_into_view_if_needed()
    box = await page.locator("[data-element-chart]").bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.5)
    await page.mouse.move(box["x"] + box["width"] * 0.81, box["y"] + box["height"] * 0.5)

    await expect(page.locator("#readout")).to_contain_text("= headroom")


async def test_pictures_for_people_to_look_at(browser, here, tmp_path):
    """Written to the folder that AMPACITY_SCREENSHOTS names, by default a temporary one."""
    folder = Path(os.environ.get("AMPACITY_SCREENSHOTS", tmp_path))
    pages = {
        "overview": "/console/", "element": "/console/element?id=c1", "group": "/console/group?id=north-c1",
        "negotiation": "/console/negotiation?no=1&replay=1", "waiting": "/console/negotiation?no=2",
        "negotiations": "/console/negotiations", "providers": "/console/providers",
        "new": "/console/limits/new?id=c1",
        "accounts": "/console/accounts", "complaints": "/console/complaints",
        "decision": "/console/decision?no=1",
        "grid": "/console/grid?under=t&as=tree",
        "limits": "/console/limits",
        "quality": "/console/quality", "audit": "/console/audit",
    }  # fmt: skip
    for scheme in ("light", "dark"):
        watched = await enter(browser, here, "root", color_scheme=scheme)
        for name, path in pages.items():
            page = await watched.go(path)
            await page.wait_for_timeout(300)
            await page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
            assert (folder / f"{name}-{scheme}.png").stat().st_size > 10_000
