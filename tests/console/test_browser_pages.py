"""Every page in Chromium, walked through once: in both themes, at 200 % zoom, on paper, with its picture."""

import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.console.browsing import Watched, enter

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # a minute or two for one walk
PAGES = {
    "overview": "/console/", "element": "/console/element?id=c1", "group": "/console/group?id=north-c1",
    "negotiation": "/console/negotiation?no=1&replay=1", "map": "/console/grid",
    "tree": "/console/grid?under=t&as=tree", "negotiations": "/console/negotiations",
    "for a person": "/console/negotiation?no=2", "waiting": "/console/negotiation?no=4",
    "providers": "/console/providers", "complaints": "/console/complaints", "limits": "/console/limits",
    "new limit": "/console/limits/new?id=c1", "quality": "/console/quality", "audit": "/console/audit",
    "decision": "/console/decision?no=1", "decision replayed": "/console/decision?no=1&replay=1",
    "accounts": "/console/accounts", "nothing found": "/console/?words=nothing",
}  # fmt: skip
PICTURES = ("overview", "element", "group", "negotiation")
WINDOW = {"width": 1280, "height": 720}
ZOOMED = {"width": 640, "height": 400}  # a window of 1280 x 800 at 200 %
PAPER = {"width": 718, "height": 1000}  # A4 between its margins, in CSS pixels
Faults = Mapping[str, list[str]]


@pytest.fixture(scope="module")
async def walked(one_chromium, shown, tmp_path_factory) -> AsyncIterator[tuple[Faults, Path]]:
    """Faults by what they are about, and the folder of the pictures: the one that AMPACITY_SCREENSHOTS names."""
    named = os.environ.get("AMPACITY_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    faults: dict[str, list[str]] = defaultdict(list)
    watched = await enter(one_chromium, shown, "root", color_scheme="light")
    for name, path in PAGES.items():
        await watched.go(path)
        await _look_at(watched, name, faults, folder if named or name in PICTURES else None)
    for name, fill in (("foreseen", _foresee), ("invited", _invite)):
        await fill(watched)
        await _look_at(watched, name, faults, folder if named else None)
    await watched.page.context.clear_cookies()
    await watched.go("/console/sign-in")
    await _look_at(watched, "sign in", faults, folder if named else None)
    faults["quiet"] += watched.wrong
    yield faults, folder
    await watched.page.context.close()


async def _look_at(watched: Watched, name: str, faults: dict[str, list[str]], folder: Path | None) -> None:
    page = watched.page

    async def ask(about: str, what: str) -> None:
        faults[about] += [f"{name}: {f}" for f in (await watched.ask(what))[1]]

    await ask("screen", "narrow")
    await ask("screen", "remember")
    faults["light"] += [f"{name}: {v}" for v in await _violations(page, {})]
    await _picture(page, folder, f"{name}-light")
    await watched.look(color_scheme="dark")
    only_colours = {"runOnly": ["color-contrast", "link-in-text-block"]}  # no other rule knows the theme
    faults["dark"] += [f"{name}: {v}" for v in await _violations(page, only_colours)]
    await _picture(page, folder, f"{name}-dark")
    await page.set_viewport_size(PAPER)
    await watched.look(media="print")
    await ask("paper", "paper")
    await _picture(page, folder if os.environ.get("AMPACITY_SCREENSHOTS") else None, f"{name}-paper")
    await page.set_viewport_size(ZOOMED)
    await watched.look(media="screen", color_scheme="light")
    await ask("zoom", "narrow")
    await ask("zoom", "reachable")
    await page.set_viewport_size(WINDOW)


async def _violations(page: Page, options: dict[str, object]) -> list[str]:
    found = (await Axe().run(page, options=options)).response["violations"]
    return [f"{v['id']} {v['nodes'][0]['html'][:160]}" for v in found]


async def _picture(page: Page, folder: Path | None, name: str) -> None:
    if folder is not None:
        await page.screenshot(path=folder / f"{name.replace(' ', '-')}.png", full_page=True)


async def _foresee(watched: Watched) -> None:
    page = await watched.go("/console/limits/new?id=c1&kind=override")
    await page.get_by_label("Limit on each phase").fill("26")
    await page.get_by_label("Why").fill("cable moved")
    await page.get_by_role("button", name="Show what it would do").click()
    await expect(page.get_by_role("heading", name="What this would do")).to_be_visible()


async def _invite(watched: Watched) -> None:
    page = await watched.go("/console/providers")
    await page.get_by_text("Invite or remove").first.click()
    await page.get_by_role("button", name=re.compile("^Invite")).first.click()
    await expect(page.get_by_text("shown this once")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_in_each_theme(walked, theme):
    faults, _ = walked

    assert "\n".join(faults[theme]) == ""


def test_no_page_complains_or_asks_another_host(walked):
    faults, _ = walked

    assert "\n".join(faults["quiet"]) == ""


def test_no_page_is_wider_than_the_window(walked):
    faults, _ = walked

    assert "\n".join(faults["screen"]) == ""


def test_at_200_percent_nothing_is_cut_off_and_every_act_can_be_reached(walked):
    faults, _ = walked

    assert "\n".join(faults["zoom"]) == ""


def test_on_paper_all_is_there_dark_on_white_within_its_width_also_from_the_dark_theme(walked):
    faults, _ = walked

    assert "\n".join(faults["paper"]) == ""


def test_pictures_for_people_to_look_at(walked):
    _, folder = walked

    for name in PICTURES:
        for theme in ("light", "dark"):
            assert (folder / f"{name}-{theme}.png").stat().st_size > 10_000


FAULTS = """() => {
  const add = (html) => document.querySelector("main").insertAdjacentHTML("beforeend", html);
  const put = (selector, look) => Object.assign(document.querySelector(selector).style, look);
  add('<p id="wide">wide</p><p id="short">cut off at the end</p><p id="under"><button>covered</button></p>');
  add('<p id="roll">scrolls</p><p id="pale">pale</p><p id="gone" data-seen="yes">gone</p><div id="over"></div>');
  put("#wide", { width: "3000px" });
  put("#short", { width: "40px", overflow: "hidden", whiteSpace: "nowrap" });
  put("#roll", { width: "20px", overflow: "auto", whiteSpace: "nowrap" });
  put("#under", { position: "relative" });
  put("#under button", { position: "fixed", top: "200px", left: "200px" });
  put("#over", { position: "fixed", inset: "0", zIndex: "99" });
  put("#pale", { color: "#aaa" });
  put("#gone", { display: "none" });
}"""


async def test_the_checks_find_what_they_look_for(browser, shown):
    watched = await enter(browser, shown, "vi")
    page = await watched.go("/console/")
    await page.evaluate(FAULTS)

    found = {what: "\n".join((await watched.ask(what))[1]) for what in ("narrow", "reachable", "paper")}

    for said in ("the page scrolls sideways", "sticks out: <p wide>", "cut off: <p short>",
                 "scrolls without a name or not by keyboard: <p roll>"):  # fmt: skip
        assert said in found["narrow"]
    assert "covered: <button > covered by <div over>" in found["reachable"]
    for said in ("off the paper: <p wide>", "too light, rgb(170, 170, 170): <p pale>", "missing: <p gone>",
                 "of no use: <nav", "cut off: <p short>"):  # fmt: skip
        assert said in found["paper"]
