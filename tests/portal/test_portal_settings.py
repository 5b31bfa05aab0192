"""A project's settings, the server's keys, and the audit log of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from contract_projects import COMPACT
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from portal_pages import open_page
from portal_projects import PortalServer, photo_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def orchard(client: Any, photos: Sequence[Path]) -> str:
    """The id of a project with nine photos of three tags."""
    return photo_project(client, "Orchard", photos[::3])


def test_names_kind_of_tags_and_domain_are_saved(signed_in: Callable[..., Page], client: Any) -> None:
    project = client.create_project("Meadow", domain_id=COMPACT, classification_type="Multiclass").id
    page = signed_in(path=f"/projects/{project}/settings")
    page.get_by_label("Name", exact=False).fill("Meadow in May")
    page.get_by_label("Description").fill("Flowers\nand grasses")
    page.get_by_role("radio", name="Several tags for a photo").check()
    expect(page.get_by_text("learns each tag by itself")).to_be_visible()
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("radio", name="Retail", exact=True).check()
    expect(page.get_by_text("Iterations of Retail cannot be exported")).to_be_visible()
    page.get_by_role("radio", name="Food (compact)").check()
    expect(page.get_by_text("The next training uses Food (compact)")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    expect(page.get_by_role("heading", name="Meadow in May")).to_be_visible()
    saved = client.get_project(project)
    assert (saved.name, saved.description) == ("Meadow in May", "Flowers\nand grasses")
    assert saved.settings.classification_type == "Multilabel"
    assert client.get_domain(saved.settings.domain_id).name == "Food (compact)"


def test_unsaved_settings_are_not_left_by_mistake(signed_in: Callable[..., Page], client: Any) -> None:
    project = client.create_project("Kept", domain_id=COMPACT).id
    page = signed_in(path=f"/projects/{project}/settings")
    name = page.get_by_label("Name", exact=False)
    name.fill("")
    expect(page.get_by_text("A project needs a name.")).to_be_visible()
    name.fill("Kept and changed")
    page.get_by_role("tab", name="Images").click()
    page.get_by_role("button", name="Stay").click()
    expect(name).to_have_value("Kept and changed")
    page.get_by_role("tab", name="Images").click()
    page.get_by_role("button", name="Leave").click()
    expect(page).to_have_url(re.compile(f"/projects/{project}/images"))
    assert client.get_project(project).name == "Kept"


def test_unsaved_text_survives_a_lost_connection(signed_in: Callable[..., Page], client: Any) -> None:
    project = client.create_project("Far away", domain_id=COMPACT).id
    page = signed_in(path=f"/projects/{project}/settings")
    is_lost = [True]

    def lose(route: Route) -> None:
        if is_lost[0] and route.request.method == "PATCH":
            route.abort()
        else:
            route.continue_()

    page.route(f"**/projects/{project}", lose)
    page.get_by_label("Description").fill("A long text")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("A long text")
    is_lost[0] = False
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    assert client.get_project(project).description == "A long text"


def test_two_tabs_overwrite_nothing_silently(
    context: BrowserContext, portal: PortalServer, client: Any
) -> None:
    project = client.create_project("Shared", domain_id=COMPACT).id
    path = f"/projects/{project}/settings"
    one, other = (open_page(context.new_page(), portal.base, portal.training_key, path) for _ in range(2))
    one.get_by_label("Description").fill("Mine")
    other.get_by_label("Name").fill("Theirs")
    _save(other)
    _save(one)  # the name was not touched here
    saved = client.get_project(project)
    assert (saved.name, saved.description) == ("Theirs", "Mine")

    one.get_by_label("Name").fill("My name")
    other.get_by_label("Name").fill("Their name")
    _save(other)
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_text("set to “Their name” elsewhere")).to_be_visible()
    expect(one.get_by_role("button", name="Save")).to_be_disabled()
    assert client.get_project(project).name == "Their name"
    one.get_by_role("button", name="Keep mine").click()
    _save(one)
    assert client.get_project(project).name == "My name"


def test_keys_are_made_rotated_and_revoked_and_the_log_says_so(
    context: BrowserContext, portal: PortalServer, orchard: str
) -> None:
    page = open_page(context.new_page(), portal.base, portal.admin_key, "/server?show=keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Line 3")
    dialog.get_by_role("radio", name="Read").check()
    dialog.get_by_role("combobox", name="For which project?").click()
    page.get_by_role("option", name="Orchard", exact=True).click()
    dialog.get_by_role("button", name="Make the key").click()
    made = _shown_key(page)

    guest = open_page(context.new_page(), portal.base, None, "/")
    guest.get_by_label("Key or sign-in link").fill(made)
    guest.get_by_role("button", name="Sign in").click()
    expect(guest.get_by_role("article")).to_have_count(1)
    expect(guest.get_by_role("article", name="Orchard", exact=True)).to_be_visible()

    row = page.get_by_role("list", name="Keys").get_by_role("listitem").filter(has_text="Line 3")
    expect(row).to_contain_text("Orchard")
    row.get_by_role("button", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    rotated = _shown_key(page)
    assert (_status(page, made), _status(page, rotated)) == (401, 200)
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert _status(page, rotated) == 401
    page.get_by_label("Show ended keys too").check()
    expect(row).to_have_count(2)

    page.goto(f"{portal.base}/#/server?show=audit&projectId={orchard}")
    lines = page.get_by_role("list", name="Changes").get_by_role("listitem")
    expect(lines.nth(0)).to_contain_text("Revoke key")
    expect(lines.nth(1)).to_contain_text("Rotate key")
    expect(lines.nth(2)).to_contain_text("Create key")
    expect(lines.nth(2)).to_contain_text("tests, admin")
    page.get_by_role("combobox", name="Action").click()
    page.get_by_role("option", name="Create tag").click()
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_contain_text("Orchard")
    page.get_by_label("Until").fill("2020-01-01T00:00")
    expect(page.get_by_text("No change fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(lines.nth(0)).to_be_visible()


def test_key_that_ends_makes_keys_that_end_with_it(
    signed_in: Callable[..., Page], portal: PortalServer
) -> None:
    page = signed_in(
        key=portal.dahlia("keys", "create", "of half a day", "--scope", "admin", "--days", "0.5")
    )
    page.goto(f"{portal.base}/#/server?show=keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("it makes no key that lives longer")).to_be_visible()
    dialog.get_by_label("Name").fill("of a guest")
    dialog.get_by_role("button", name="Make the key").click()
    assert _status(page, _shown_key(page)) == 200

    own = page.get_by_role("list", name="Keys").get_by_role("listitem").filter(has_text="this tab")
    own.get_by_role("button", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    assert _status(page, _shown_key(page)) == 200
    own.get_by_role("button", name="Revoke").click()  # the tab went on with the new key
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_read_only_key_sees_the_server_without_keys_and_log(
    signed_in: Callable[..., Page], portal: PortalServer
) -> None:
    page = signed_in(key=portal.read_key, path="/server?show=keys")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    expect(page.get_by_text("2 workers").or_(page.get_by_text("1 worker")).first).to_be_visible()
    expect(page.get_by_role("radio", name="Keys")).to_have_count(0)
    expect(page.get_by_role("list", name="Keys")).to_have_count(0)


def test_usage_is_shown_against_limits(
    signed_in: Callable[..., Page], orchard: str, portal: PortalServer
) -> None:
    page = signed_in(path=f"/projects/{orchard}/settings")
    usage = page.get_by_role("list", name="Usage").get_by_role("listitem")
    expect(_of(usage, "Tags")).to_contain_text("3 of 500")
    expect(_of(usage, "Iterations")).to_contain_text("0 of 20")
    page.goto(f"{portal.base}/#/server")
    expect(_of(usage, "Projects")).to_contain_text("of 100")


def _of(items: Locator, name: str) -> Locator:
    return items.filter(has_text=name)


def _save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Not saved yet")).to_have_count(0)


def _shown_key(page: Page) -> str:
    key = page.get_by_role("textbox", name=re.compile("^Key “")).input_value()
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    return key


def _status(page: Page, key: str) -> int:
    return page.request.get("/dahlia/v1/me", headers={"Training-Key": key}).status
