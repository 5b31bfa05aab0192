from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from contract_chromium import find_chromium
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from portal_dist import build_portal
from portal_pages import open_page, watched_context
from portal_projects import (
    Filled,
    PortalServer,
    garden_project,
    portal_server,
    scenes_project,
    training_client,
)

from dahlia_samples import generate_garden
from shared_graphs import share_graphs_of_server

_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update",
]  # fmt: skip
SignedIn = Callable[..., Page]


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory, shipped_graphs: Path) -> Iterator[PortalServer]:
    """One server with the built portal and a worker, on SQLite, for all tests of a process."""
    build_portal()
    home = tmp_path_factory.mktemp("portal") / "home"
    share_graphs_of_server(home, shipped_graphs)
    with portal_server(home) as server:
        yield server


@pytest.fixture(scope="session")
def client(portal: PortalServer) -> CustomVisionTrainingClient:
    """The SDK's client for training, to prepare what a test needs and to check what it left."""
    return training_client(portal)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine drawn photos of each of three flowers; the name of a photo's folder is its tag."""
    folder = tmp_path_factory.mktemp("garden") / "photos"
    generate_garden(folder, images_per_tag=9, seed=17, size=300, workers=1)
    return sorted(folder.rglob("*.jpg"))


@pytest.fixture(scope="session")
def garden(client: CustomVisionTrainingClient, photos: Sequence[Path]) -> Filled:
    """A trained and published classification project; tests put back what they change of it."""
    return garden_project(client, photos)


@pytest.fixture(scope="session")
def scenes(client: CustomVisionTrainingClient, portal: PortalServer) -> Filled:
    """A detection project with an iteration that finds colours; tests put back what they change of it."""
    return scenes_project(client, portal)


# For a module, not for the session: while Playwright is open no other test can run an event loop.
@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """Chromium, the system's or else a package's; Playwright downloads none."""
    expect.set_options(timeout=30_000)  # of a machine that does other things too
    chromium = find_chromium(pytestconfig)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.path, args=_FLAGS, env={**os.environ, **chromium.variables}
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, portal: PortalServer) -> Iterator[BrowserContext]:
    """A fresh context of 1280x800; the test fails at its end if something went wrong in its pages."""
    with watched_context(browser, portal.base) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of the test's own context."""
    return context.new_page()


@pytest.fixture
def signed_in(page: Page, portal: PortalServer) -> SignedIn:
    """Opens a path of the portal with a key, by default the admin's."""

    def open_it(key: str | None = None, path: str = "/") -> Page:
        return open_page(page, portal.base, key or portal.admin_key, path)

    return open_it
