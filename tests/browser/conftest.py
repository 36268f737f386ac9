"""A real Chromium, and a screen of it for each test."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.screen import Screen

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000  # ms for what should appear, on a busy machine


def chromium() -> str:
    """The browser's program: CHROMIUM, or the one the system has. CI never goes on without."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    reason = "No Chromium: install the package chromium, or name its program in CHROMIUM"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(f"THE PAGE IS NOT TESTED. {reason}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module; gone with its event loop before Django's own tests go on."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def screen(browser, hub) -> Iterator[Screen]:
    """The two-channel page, freshly opened by nobody in particular. It may never complain nor ask elsewhere."""
    expect.set_options(timeout=PATIENCE)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    context.set_default_timeout(PATIENCE)
    screen = Screen(context.new_page(), [hub.url, hub.live_url])
    screen.open()
    yield screen
    context.close()
    assert screen.complaints == []
    assert screen.elsewhere == []
