"""What surrounds every page: titles, focus, sign-in, and what is said when the server or a page is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from portal_pages import open_page
from portal_projects import Filled, PortalServer
from reliability_server import Supervised, supervised

pytestmark = pytest.mark.slow

SignedIn = Callable[..., Page]
_LOST = "The connection to the server is lost"
_MARK = "window.marked = true"
_IS_MARKED = "window.marked === true"
_STALE_MS = 6_000  # after which what is shown is read again when a tab is looked at
_LOOKED_AT = "document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))"


@pytest.fixture
def unwatched(browser: Browser) -> Iterator[Page]:
    """A page in whose console the browser may say that something cannot be reached."""
    with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB") as context:
        context.set_default_timeout(15_000)
        yield context.new_page()


@pytest.fixture
def mortal(portal: PortalServer, tmp_path: Path) -> Iterator[Supervised]:
    """A server that can be killed and started again on the same port; the portal is built by then."""
    with supervised(tmp_path / "home", DAHLIA_JOBS_WORKERS="0") as server:
        yield server


def _train_tab(page: Page) -> Any:
    return page.get_by_role("tab", name="Train")


def test_signing_in_and_out(page: Page, portal: PortalServer) -> None:
    page.goto(portal.base)
    expect(page).to_have_title("Sign in · Dahlia")
    page.get_by_label("Key or sign-in link").fill(portal.admin_key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_each_page_has_its_title_is_said_and_has_the_focus(signed_in: SignedIn, garden: Filled) -> None:
    page = signed_in(path=f"/projects/{garden.project}/images")
    expect(page).to_have_title("Images · Garden · Dahlia")
    expect(page.get_by_role("tab")).to_have_count(9)
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        expect(page).to_have_title(f"{tab.inner_text()} · Garden · Dahlia")
        expect(page.locator("[aria-live=polite]", has_text=tab.inner_text()).first).to_be_attached()
        assert page.evaluate("document.getElementById('page').contains(document.activeElement)")
    page.get_by_role("link", name="Dahlia, projects").click()
    expect(page).to_have_title("Projects · Dahlia")
    assert page.evaluate("document.getElementById('content').contains(document.activeElement)")
    page.goto("/#/nothing/here")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    page.get_by_role("link", name="To the projects").click()
    expect(page).to_have_title("Projects · Dahlia")


def test_the_first_stop_of_the_keyboard_leads_past_the_header(signed_in: SignedIn, garden: Filled) -> None:
    page = signed_in(path=f"/projects/{garden.project}/publish")
    expect(page).to_have_title("Publish · Garden · Dahlia")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('page').contains(document.activeElement)")


def test_colours_are_chosen_and_kept(signed_in: SignedIn) -> None:
    page = signed_in()
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_a_key_that_ends_leads_to_signing_in_and_back(
    signed_in: SignedIn, portal: PortalServer, garden: Filled
) -> None:
    headers = {"Training-Key": portal.admin_key}
    keys = f"{portal.base}/dahlia/v1/keys"
    made = requests.post(
        keys, json={"name": "ends soon", "scope": "training"}, headers=headers, timeout=10
    ).json()
    page = signed_in(key=made["key"], path=f"/projects/{garden.project}/images")
    expect(page).to_have_title("Images · Garden · Dahlia")
    assert requests.delete(f"{keys}/{made['id']}", headers=headers, timeout=10).ok
    # By its address: what the page asks meanwhile may be refused before a tab could be clicked.
    page.evaluate("address => { location.hash = address }", f"/projects/{garden.project}/predictions")
    expect(page).to_have_title("Sign in · Dahlia")
    page.get_by_label("Key or sign-in link").fill(portal.read_key)
    page.get_by_role("button", name="Sign in").click()
    # The refusal may come before the other page is there.
    expect(page).to_have_title(re.compile("^(Predictions|Images) · Garden · Dahlia$"))


def test_what_one_tab_changes_the_other_shows_when_it_is_looked_at(
    context: BrowserContext, portal: PortalServer, client: Any
) -> None:
    one, other = context.new_page(), context.new_page()
    one.clock.install()
    open_page(one, portal.base, portal.admin_key, "/")
    expect(one).to_have_title("Projects · Dahlia")
    open_page(other, portal.base, portal.admin_key, "/")
    other.get_by_role("button", name="New project").first.click()
    other.get_by_label("Name").fill("Made in another tab")
    other.get_by_role("button", name="Create").last.click()
    expect(other).to_have_title("Images · Made in another tab · Dahlia")
    _look_at(one)
    one.get_by_role("link", name="Made in another tab").first.click()
    expect(one).to_have_title("Images · Made in another tab · Dahlia")
    project = re.search(r"projects/([\w-]+)", one.url)
    assert project
    client.delete_project(project[1])
    _look_at(one)
    expect(one.get_by_role("alert").filter(has_text=project[1])).to_be_visible()
    one.get_by_role("link", name="Dahlia, projects").click()
    expect(one.get_by_role("link", name="Made in another tab")).to_have_count(0)


def _look_at(page: Page) -> None:
    page.clock.fast_forward(_STALE_MS)
    page.evaluate(_LOOKED_AT)


def test_a_lost_server_is_said_once_and_nothing_typed_is_lost(unwatched: Page, mortal: Supervised) -> None:
    page = open_page(unwatched, mortal.base, mortal.key, "/")
    page.get_by_role("button", name="New project").first.click()
    page.get_by_label("Name").fill("Typed before")
    mortal.kill()
    page.get_by_role("button", name="Create").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The server does not answer")).to_be_visible()
    expect(page.get_by_text(_LOST)).to_have_count(1)
    mortal.start()
    mortal.wait_until_ready()
    expect(page.get_by_text(_LOST)).to_have_count(0)
    expect(page.get_by_text("The server answers again")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Typed before")
    page.get_by_role("button", name="Create").last.click()
    expect(page).to_have_title("Images · Typed before · Dahlia")


def test_a_page_opened_while_the_server_is_away_opens_when_it_is_back(
    unwatched: Page, mortal: Supervised
) -> None:
    page = open_page(unwatched, mortal.base, mortal.key, "/")
    expect(page).to_have_title("Projects · Dahlia")
    page.evaluate(_MARK)
    mortal.kill()
    page.get_by_role("link", name="Server").click()
    expect(page.get_by_text(_LOST)).to_be_visible()
    expect(page).to_have_title("Projects · Dahlia")
    mortal.start()
    mortal.wait_until_ready()
    expect(page).to_have_title("Server · Dahlia")
    expect(page.get_by_text(_LOST)).to_have_count(0)
    assert page.evaluate(_IS_MARKED), "the document was loaded again"


def test_a_page_that_a_new_build_replaced_is_loaded_with_it(
    unwatched: Page, portal: PortalServer, garden: Filled
) -> None:
    page = open_page(unwatched, portal.base, portal.admin_key, f"/projects/{garden.project}/images")
    expect(page).to_have_title("Images · Garden · Dahlia")
    page.evaluate(_MARK)
    asked: list[str] = []

    def gone(route: Route) -> None:
        asked.append(route.request.url)
        if page.evaluate(_IS_MARKED):
            route.fulfill(status=404)
        else:
            route.continue_()

    page.route("**/portal/assets/TrainPage-*.js", gone)
    _train_tab(page).click()
    expect(page).to_have_title(re.compile("^Train.* · Garden · Dahlia"))
    assert page.url.endswith("/train")
    assert asked
    assert not page.evaluate(_IS_MARKED)
    page.go_back()
    expect(page).to_have_title("Images · Garden · Dahlia")


def test_a_page_that_stays_missing_is_said_after_one_more_load(
    unwatched: Page, portal: PortalServer, garden: Filled
) -> None:
    page = open_page(unwatched, portal.base, portal.admin_key, f"/projects/{garden.project}/images")
    expect(page).to_have_title("Images · Garden · Dahlia")
    loads: list[str] = []
    page.on("domcontentloaded", lambda page: loads.append(page.url))
    page.route("**/portal/assets/TrainPage-*.js", lambda route: route.fulfill(status=404))
    _train_tab(page).click()
    expect(page.get_by_role("alert").filter(has_text="This page failed to show")).to_be_visible()
    assert len(loads) == 1
    page.unroute_all()
    page.get_by_role("button", name="Load it again").click()
    expect(page).to_have_title(re.compile("^Train.* · Garden · Dahlia"))
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_page_that_cannot_be_drawn_takes_nothing_else_with_it(
    unwatched: Page, portal: PortalServer, garden: Filled
) -> None:
    page = open_page(unwatched, portal.base, portal.admin_key, f"/projects/{garden.project}/images")
    fault = 'export default function () { throw new Error("no such figure"); }'
    page.route(
        "**/portal/assets/TrainPage-*.js",
        lambda route: route.fulfill(body=fault, content_type="text/javascript"),
    )
    _train_tab(page).click()
    alert = page.get_by_role("alert").filter(has_text="This page failed to show")
    expect(alert).to_contain_text("no such figure")
    page.get_by_role("tab", name="Publish").click()
    expect(page).to_have_title("Publish · Garden · Dahlia")
    expect(alert).to_have_count(0)


def test_what_the_server_sends_of_the_portal_is_strict_and_kept(portal: PortalServer) -> None:
    first, second = (requests.get(portal.base, timeout=10) for _ in range(2))
    nonces = [re.search(r'name="csp-nonce" content="([\w-]{24})"', answer.text) for answer in (first, second)]
    for nonce, answer in zip(nonces, (first, second), strict=True):
        assert nonce
        policy = answer.headers["content-security-policy"]
        assert f"'nonce-{nonce[1]}'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert "script-src 'self';" in policy
        assert answer.headers["cache-control"] == "no-store"
    assert len({nonce[1] for nonce in nonces if nonce}) == 2
    assert "<script>" not in first.text
    for file in re.findall(r'(?:src|href)="(/portal/assets/[^"]+)"', first.text):
        sent = requests.get(portal.base + file, timeout=10)
        assert sent.headers["cache-control"].endswith("immutable")
        known = {"if-none-match": sent.headers["etag"]}
        assert requests.get(portal.base + file, headers=known, timeout=10).status_code == 304
        head = requests.head(portal.base + file, timeout=10)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", sent.headers["etag"])
