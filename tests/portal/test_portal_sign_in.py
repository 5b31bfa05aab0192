"""Signing in with a link or a key, what a key that may only read sees, and signing out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from portal_pages import open_page
from portal_projects import PortalServer, photo_project

pytestmark = pytest.mark.slow

_CHANGES = re.compile(r"^(New project|Add photos|Save|Delete|Publish|Unpublish|Create a key|Rotate|Revoke)\b")


@pytest.fixture(scope="module")
def hedge(client: Any, photos: Sequence[Path]) -> str:
    """The id of a project with nine photos of three tags."""
    return photo_project(client, "Hedge", photos[::3])


def test_link_signs_in_once_and_leaves_no_token(page: Page, portal: PortalServer) -> None:
    path = re.search(r"#\S+", portal.dahlia("keys", "link"))
    assert path
    page.goto(f"{portal.base}/{path[0]}")
    expect(page.get_by_role("link", name="Activity")).to_be_visible()  # the key has the scope admin
    assert page.evaluate("location.hash") == "#/"
    page.go_back()
    assert "sign-in" not in page.url
    page.goto(f"{portal.base}/{path[0]}")
    expect(page.get_by_role("alert")).to_contain_text("not used yet")
    expect(page.get_by_role("alert")).to_contain_text("dahlia keys link")
    page.wait_for_url("**/#/sign-in")
    page.get_by_role("link", name="You are signed in").click()  # the used link ended nothing
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_pasted_line_with_a_link_signs_in(page: Page, portal: PortalServer, hedge: str) -> None:
    open_page(page, portal.base, None, f"/projects/{hedge}/publish")
    page.get_by_label("Key or sign-in link").fill(portal.dahlia("keys", "link"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("tab", name="Publish", selected=True)).to_be_visible()


def test_wrong_keys_are_said(page: Page, portal: PortalServer) -> None:
    open_page(page, portal.base, None, "/")
    field, button, alert = (
        page.get_by_label("Key or sign-in link"),
        page.get_by_role("button", name="Sign in"),
        page.get_by_role("alert"),
    )
    for wrong, said in (
        ("0123456789abcdef", "unknown, mistyped or revoked"),
        ("schlüssel", "received other characters"),
        (portal.prediction_key, "asks published models only"),
    ):
        field.fill(wrong)
        button.click()
        expect(alert).to_contain_text(said)
        expect(field).to_have_value(wrong)
    assert page.evaluate("sessionStorage.length") == 0
    field.fill(f" {portal.training_key}\n")
    field.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_deep_link_is_kept_when_a_key_ends(page: Page, portal: PortalServer, hedge: str) -> None:
    key = portal.dahlia("keys", "create", "of a short life", "--scope", "read")
    path = f"/projects/{hedge}/settings"
    open_page(page, portal.base, None, path)
    page.get_by_label("Key or sign-in link").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{portal.base}/#{path}")
    expect(page.get_by_role("list", name="Usage")).to_be_visible()  # the page asks for nothing more
    identity = page.request.get("/dahlia/v1/me", headers={"Training-Key": key}).json()["id"]
    page.request.delete(f"/dahlia/v1/keys/{identity}", headers={"Training-Key": portal.admin_key})
    page.get_by_role("tab", name="Publish").click()
    expect(page.get_by_text("the key of this tab no longer")).to_be_visible()
    page.get_by_label("Key or sign-in link").fill(portal.read_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("tab", name="Publish", selected=True)).to_be_visible()


def test_signing_out_ends_one_tab_alone(context: BrowserContext, portal: PortalServer) -> None:
    one = open_page(context.new_page(), portal.base, portal.read_key, "/")
    other = open_page(context.new_page(), portal.base, portal.read_key, "/")
    one.get_by_role("button", name="Sign out").click()
    expect(one.get_by_role("button", name="Sign in")).to_be_visible()
    assert one.evaluate("sessionStorage.getItem('dahlia.key')") is None
    one.reload()
    expect(one.get_by_role("button", name="Sign in")).to_be_visible()
    other.reload()
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()


def test_read_only_key_sees_no_button_that_would_fail(
    signed_in: Callable[..., Page], portal: PortalServer, hedge: str
) -> None:
    page = signed_in(key=portal.read_key)
    expect(page.get_by_role("article", name="Hedge", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Activity")).to_have_count(0)
    expect(page.get_by_role("button", name=_CHANGES)).to_have_count(0)
    page.get_by_role("button", name="More about Hedge", exact=True).click()
    expect(page.get_by_role("menuitem")).to_have_text(["Settings"])
    page.get_by_role("menuitem", name="Settings").click()
    for tab in ("Settings", "Publish", "Images"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab, selected=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("button", name=_CHANGES)).to_have_count(0)
    page.get_by_role("link", name="Server").click()
    expect(page.get_by_role("button", name=_CHANGES)).to_have_count(0)
