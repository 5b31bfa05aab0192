"""Chromium goes through all pages and makes a picture of each."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright
from portal_pages import open_page, watched_context
from portal_tour import all_stops, settle, tour

from dahlia.errors import ConfigError
from portal_screenshots.filled import FilledServer
from programs import installed_program

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
_LOOKS = {
    "light": ((1280, 800), "light"),
    "dark": ((1280, 800), "dark"),
    "phone": ((360, 740), "light"),
    "phone-dark": ((360, 740), "dark"),
    "wide": ((1600, 1000), "light"),
}
_SECONDS = 30
_SETTLED_MS = 400  # of photos that appear, and of charts that are drawn when their size is known


def take_pictures(filled: FilledServer, folder: Path) -> list[Path]:
    """Make a picture of each page in each look.

    Args:
        filled: what there is to see.
        folder: gets them, named after page and look; others of these names are replaced.

    Returns:
        The pictures.

    Raises:
        ConfigError: there is no Chromium.
    """
    chromium = installed_program("chromium")
    if chromium is None:
        raise ConfigError("Expected Chromium, found none. Install it: apt-get install chromium (Debian).")
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        made = [path for look in _LOOKS for path in _in_look(browser, filled, folder, look)]
        browser.close()
    return made


def _in_look(browser: Browser, filled: FilledServer, folder: Path, look: str) -> list[Path]:
    (wide, high), scheme = _LOOKS[look]
    made = []
    options = {
        "viewport": {"width": wide, "height": high},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
    }
    with watched_context(browser, filled.server.base, **options) as context:
        outside = open_page(context.new_page(), filled.server.base, None, "/")
        outside.get_by_role("button", name="Sign in").wait_for()
        made.append(folder / f"sign-in-{look}.png")
        outside.screenshot(path=made[-1])
        page = open_page(context.new_page(), filled.server.base, filled.server.admin_key, "/")
        settle(page)
        for stop in tour(page, all_stops(filled.projects)):
            page.wait_for_timeout(_SETTLED_MS)
            made.append(folder / f"{stop.name}-{look}.png")
            page.screenshot(path=made[-1], full_page=True)
    return made
