"""All pages of the portal, one after the other, for what must hold on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from playwright.sync_api import Page, expect
from portal_projects import Filled

_SERVER = {"projects": "/", "activity": "/activity", "server": "/server"}
_PROJECT = {
    "images": "images",
    "photo": "images/{image}",
    "suggested": "suggested",
    "train": "train",
    "performance": "performance",
    "compare": "compare",
    "test": "test",
    "publish": "publish",
    "predictions": "predictions",
    "export": "export",
    "settings": "settings",
}


@dataclass(frozen=True)
class Stop:
    """A page to look at.

    Attributes:
        name: for people, such as `garden-images`.
        path: in the address's fragment.
    """

    name: str
    path: str


def all_stops(projects: Mapping[str, Filled]) -> list[Stop]:
    """Every page that needs a key, those of projects once for each project.

    Args:
        projects: by names that the stops begin with.
    """
    stops = [Stop(name, path) for name, path in _SERVER.items()]
    for name, filled in projects.items():
        image = next(iter(filled.images.values()))[0]
        for page, path in _PROJECT.items():
            stops.append(Stop(f"{name}-{page}", f"/projects/{filled.project}/{path.format(image=image)}"))
    return stops


def tour(page: Page, stops: list[Stop]) -> Iterator[Stop]:
    """Go from page to page within one document; each is complete when it is given out.

    Args:
        page: is signed in and shows a page of the portal.
        stops: where to go.
    """
    for stop in stops:
        page.evaluate("path => { window.location.hash = path; }", stop.path)
        settle(page)
        yield stop


def settle(page: Page) -> None:
    """Wait until a page and what it asks the server for are there."""
    expect(page.locator("main:not([aria-busy=true])")).to_be_visible()
    page.wait_for_function(_IDLE)


_IDLE = """
() => {
  const loading = document.querySelector(".mantine-Loader-root, [aria-busy='true']");
  const pictures = [...document.querySelectorAll("main img")].filter((image) => image.loading !== "lazy");
  const content = document.getElementById("page") ?? document.querySelector("main");
  return !loading && content?.childElementCount > 0 && pictures.every((image) => image.complete);
}
"""
