"""Projects: found, made, copied, deleted, and the first visit with its sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from contract_projects import COMPACT
from playwright.sync_api import Browser, Page, expect
from portal_pages import open_page, watched_context
from portal_projects import PortalServer, photo_project, portal_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def border(client: Any, photos: Sequence[Path]) -> str:
    """The id of a project with nine photos of three tags."""
    return photo_project(client, "Border", photos[::3])


def test_project_is_made_and_found(signed_in: Callable[..., Page], client: Any) -> None:
    page = signed_in()
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Café: cakes")
    dialog.get_by_label("Description").fill("What is on the plate")
    expect(dialog.get_by_text("choose this one if you are not sure")).to_be_visible()
    dialog.get_by_role("radio", name="Food (compact)").check()
    dialog.get_by_role("button", name="Create the project").click()
    expect(page.get_by_role("heading", name="Café: cakes")).to_be_visible()
    made = next(one for one in client.get_projects() if one.name == "Café: cakes")
    assert client.get_domain(made.settings.domain_id).name == "Food (compact)"
    assert (made.description, made.settings.classification_type) == ("What is on the plate", "Multiclass")

    page.get_by_role("link", name="projects").click()
    page.get_by_role("searchbox", name="Search projects").fill("CAFE plate")
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_role("searchbox", name="Search projects").fill("nothing like it")
    expect(page.get_by_text("No project fits the search.")).to_be_visible()
    page.get_by_role("button", name="Clear the search").click()
    page.get_by_role("link", name="Open Café: cakes").click()
    expect(page.get_by_role("tab", name="Images", selected=True)).to_be_visible()


def test_detection_project_has_domains_of_its_kind(signed_in: Callable[..., Page], client: Any) -> None:
    page = signed_in()
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Bolts")
    dialog.get_by_role("radio", name="Where things are in a photo").check()
    expect(dialog.get_by_text("How many tags can a photo have?")).to_have_count(0)
    dialog.get_by_role("radio", name="Logo").check()
    dialog.get_by_role("button", name="Create the project").click()
    expect(page.get_by_role("heading", name="Bolts")).to_be_visible()
    made = next(one for one in client.get_projects() if one.name == "Bolts")
    assert client.get_domain(made.settings.domain_id).name == "Logo"


def test_project_is_copied_and_the_copy_deleted(
    signed_in: Callable[..., Page], client: Any, border: str
) -> None:
    page = signed_in()
    page.get_by_role("button", name="More about Border", exact=True).click()
    page.get_by_role("menuitem", name="Copy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("9 photos, 3 tags, 0 iterations")).to_be_visible()
    dialog.get_by_label("Name of the copy").fill("Second border")
    dialog.get_by_role("button", name="Make the copy").click()
    card = page.get_by_role("article", name="Second border")
    expect(card).to_contain_text("9 photos, 3 tags", timeout=30_000)
    expect(card.get_by_text("Being copied")).to_have_count(0, timeout=30_000)
    copy = next(one.id for one in client.get_projects() if one.name == "Second border")

    page.get_by_role("button", name="More about Second border").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(dialog.get_by_role("listitem").filter(has_text="9 photos")).to_be_visible()
    confirm = dialog.get_by_role("button", name="Delete the project")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox").fill("Second border")
    confirm.click()
    expect(card).to_have_count(0)
    assert copy not in [one.id for one in client.get_projects()]
    assert client.get_image_count(border) == 9


def test_project_is_deleted_in_its_settings(signed_in: Callable[..., Page], client: Any) -> None:
    project = client.create_project("Of no use", domain_id=COMPACT).id
    page = signed_in(path=f"/projects/{project}/settings")
    page.get_by_role("button", name="Delete the project").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("Of no use")
    dialog.get_by_role("button", name="Delete the project").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    assert project not in [one.id for one in client.get_projects()]


def test_read_only_key_may_look_at_projects_alone(
    signed_in: Callable[..., Page], portal: PortalServer, border: str
) -> None:
    page = signed_in(key=portal.read_key)
    card = page.get_by_role("article", name="Border", exact=True)
    expect(card.get_by_role("img")).to_have_count(0)  # the thumbnail says nothing that the name does not
    expect(card.locator("img")).to_be_visible()
    expect(page.get_by_role("button", name="New project")).to_have_count(0)
    page.get_by_role("button", name="More about Border", exact=True).click()
    expect(page.get_by_role("menuitem", name="Delete")).to_have_count(0)
    expect(page.get_by_role("menuitem", name="Copy")).to_have_count(0)


def test_first_visit_offers_the_garden(browser: Browser, portal: PortalServer, tmp_path: Path) -> None:
    # The first server has projects; `portal` is asked for so that the portal is built.
    with (
        portal_server(tmp_path / "home") as empty,
        watched_context(browser, empty.base) as context,
    ):
        page = open_page(context.new_page(), empty.base, empty.read_key, "/")
        expect(page.get_by_text("Your key may only look at projects")).to_be_visible()
        expect(page.get_by_role("button", name="Try it with the garden")).to_have_count(0)
        page.close()
        page = open_page(context.new_page(), empty.base, empty.training_key, "/")
        expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(3)
        page.get_by_role("button", name="Try it with the garden").click()
        expect(page.get_by_text("The photos are being drawn.")).to_be_visible()
        expect(page.get_by_role("heading", name="Garden")).to_be_visible(timeout=180_000)
        expect(page.get_by_role("tab", name="Images", selected=True)).to_be_visible()
        expect(page.locator("#page img").first).to_be_visible()


def test_empty_project_offers_the_sample_unless_it_has_tags(
    signed_in: Callable[..., Page], client: Any
) -> None:
    project = client.create_project("Nothing yet", domain_id=COMPACT, classification_type="Multiclass").id
    page = signed_in(path=f"/projects/{project}/images")
    expect(page.get_by_role("button", name="Try it with the garden")).to_be_visible()
    client.create_tag(project, "of another tab")
    page.get_by_role("button", name="Try it with the garden").click()
    expect(page.get_by_role("alert")).to_contain_text("tag")
    page.reload()
    expect(page.get_by_text("No photos yet")).to_be_visible()
    expect(page.get_by_text("of another tab").first).to_be_visible()
    expect(page.get_by_role("button", name="Try it with the garden")).to_have_count(0)
