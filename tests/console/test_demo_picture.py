"""The README's picture: an element of the demonstration's district, after half a day of it."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from playwright.async_api import Page, expect

from tests.acceptance.commands import read_until, started
from tests.console.browsing import CHARTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LIVED = timedelta(hours=13)
SPEED = 300  # a quarter hour in 3 s


@pytest.fixture
def database() -> Iterator[str]:
    """A folder for the embedded server, in the system's temporary one, where it can run as root."""
    folder = tempfile.mkdtemp(prefix="ampacity-picture-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_picture_of_the_readme_is_taken_of_the_demonstration(browser, tmp_path, database):
    """Written to the folder that AMPACITY_SCREENSHOTS names, by default a temporary one."""
    picture = Path(os.environ.get("AMPACITY_SCREENSHOTS", tmp_path)) / "console-element.png"
    with started("demo", "--speed", str(SPEED), AMPACITY_DATABASE_FOLDER=database) as demo:
        url = re.search(r"http://\S+/console/", read_until(demo, "/console/")).group()
        reader = Thread(target=demo.stdout.read)  # its table would fill the pipe
        reader.start()
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page = await context.new_page()
        await page.goto(url)
        begin = await _data_time(page)
        limit = time.monotonic() + 3 * LIVED.total_seconds() / SPEED
        while await _data_time(page) < begin + LIVED:
            assert time.monotonic() < limit, "the demonstration is slower than a third of its speed"
            await page.wait_for_timeout(2_000)
            await page.reload()
        await page.get_by_role("link", name="feeder-1").click()
        await expect(page.locator(CHARTS)).to_have_attribute("data-drawn", "yes", timeout=15_000)
        await expect(page.locator("#stream")).to_have_text("live")
        await page.screenshot(path=picture)
        demo.send_signal(signal.SIGINT)
        await asyncio.to_thread(reader.join)

    assert picture.stat().st_size > 30_000


async def _data_time(page: Page) -> datetime:
    return datetime.fromisoformat(await page.locator("#status time").first.get_attribute("datetime"))
