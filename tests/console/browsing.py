"""Chromium on a served console: who looks, and what goes wrong on a page."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.console.served import Served

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
HAS_CHROMIUM = Path(CHROMIUM).is_file()
CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
CHARTS = "[data-element-chart], [data-group-chart]"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    if not HAS_CHROMIUM:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing, which CI installs")
        pytest.skip("these tests need Debian's chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


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
        await self.charts_are_drawn()
        return self.page

    async def charts_are_drawn(self) -> None:
        for chart in await self.page.locator(CHARTS).all():
            await expect(chart).to_have_attribute("data-drawn", "yes", timeout=15_000)

    async def ask(self, what: str) -> tuple[Any, list[str]]:
        """One of the page checks: its answer and the faults that it found."""
        told = await self.page.evaluate(CHECKS, what)
        return told["answer"], told["faults"]

    async def look(self, **media: str) -> None:
        """Change how the page is shown; charts are drawn anew."""
        await self.page.locator(CHARTS).evaluate_all("charts => charts.forEach((c) => (c.dataset.drawn = ''))")
        await self.page.emulate_media(**media)
        await self.charts_are_drawn()


async def enter(browser: Browser, here: Served, name: str, **more: object) -> Watched:
    """A browser of its own in which somebody is signed in."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce", **more)
    await context.add_cookies([{"name": "ampacity", "value": here.tokens[name], "url": here.url}])
    return Watched(await context.new_page(), here.url)
