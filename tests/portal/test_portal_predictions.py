"""Stored predictions: found by filters, opened, added to training with a tag, and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from portal_asked import forget, images_of, mirrored, put_back, stored
from portal_projects import PUBLISHED, Filled, PortalServer

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(client: Any, garden: Filled, portal: PortalServer, photos: Sequence[Path]) -> Iterator[list[str]]:
    """The tags of three photos that a program has asked about; what a test adds is removed."""
    forget(client, garden.project)
    before = images_of(client, garden.project)
    path = f"customvision/v3.0/Prediction/{garden.project}/classify/iterations/{PUBLISHED}/image"
    headers = {"Prediction-Key": portal.prediction_key, "Content-Type": "application/octet-stream"}
    by_tag = {photo.parent.name: photo for photo in photos}
    for photo in by_tag.values():
        requests.post(
            f"{portal.base}/{path}", mirrored(photo), headers=headers, timeout=60
        ).raise_for_status()
    yield list(by_tag)
    put_back(client, garden.project, before)
    forget(client, garden.project)


def _choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def test_predictions_are_found_by_filters(
    asked: list[str], garden: Filled, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(path=f"/projects/{garden.project}/predictions")
    cells = page.get_by_role("grid", name="Predictions").get_by_role("gridcell")
    expect(cells).to_have_count(3)
    _choose(page, "Tag", asked[1])
    least = page.get_by_role("slider", name="Least probability")
    least.focus()
    least.press("PageUp")
    for _ in range(45):
        least.press("ArrowRight")
    expect(cells).to_have_count(1)
    expect(cells.first).to_have_accessible_name(re.compile(rf"Photo 1, {asked[1]}, \d+ %"))
    page.get_by_label("Until").fill("2001-01-01T00:00")
    expect(page.get_by_role("heading", name="No prediction fits these filters")).to_be_visible()
    page.get_by_role("button", name="Show all", exact=True).click()
    expect(cells).to_have_count(3)
    _choose(page, "Answered by", f"Iteration 1 (published as {PUBLISHED})")
    expect(cells).to_have_count(3)


def test_a_prediction_is_opened_and_added_to_training(
    client: Any, asked: list[str], garden: Filled, signed_in: Callable[..., Page]
) -> None:
    before = images_of(client, garden.project)
    page = signed_in(path=f"/projects/{garden.project}/predictions")
    _choose(page, "Order", "Oldest first")
    cells = page.get_by_role("grid", name="Predictions").get_by_role("gridcell")
    expect(cells.first).to_have_accessible_name(re.compile(asked[0]))
    cells.first.click()
    dialog = page.get_by_role("dialog", name=re.compile("^Asked"))
    expect(dialog.get_by_role("img", name="The photo that was sent")).to_be_visible()
    expect(dialog.get_by_text("Answered by Iteration 1, which is published as")).to_be_visible()
    expect(
        dialog.get_by_role("list", name="Tags by probability").get_by_role("listitem").first
    ).to_contain_text(asked[0])
    dialog.get_by_role("button", name="Next").click()
    expect(
        dialog.get_by_role("list", name="Tags by probability").get_by_role("listitem").first
    ).to_contain_text(asked[1])
    dialog.get_by_role("textbox", name="What is the right tag?").fill(asked[2])
    page.get_by_role("option", name=re.compile(rf"^{asked[2]}")).click()
    dialog.get_by_role("button", name="Add to the training photos").click()
    expect(page.get_by_text("1 photo added to the training photos.")).to_be_visible()
    expect(dialog).to_have_count(0)
    added = images_of(client, garden.project) - before
    image = client.get_images_by_ids(garden.project, image_ids=list(added))[0]
    assert [tag.tag_name for tag in image.tags] == [asked[2]]


def test_several_predictions_are_deleted(
    client: Any, asked: list[str], garden: Filled, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(path=f"/projects/{garden.project}/predictions")
    cells = page.get_by_role("grid", name="Predictions").get_by_role("gridcell")
    expect(cells).to_have_count(len(asked))
    cells.nth(0).click(modifiers=["Control"])
    cells.nth(1).click(modifiers=["Control"])
    selection = page.get_by_role("region", name="Selected predictions")
    expect(selection).to_contain_text("2 predictions selected")
    selection.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete 2 predictions?").get_by_role("button", name="Delete").click()
    expect(cells).to_have_count(1)
    assert len(stored(client, garden.project)) == 1


def test_a_key_that_may_only_look_sees_them_and_changes_nothing(
    asked: list[str], garden: Filled, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(portal.read_key, f"/projects/{garden.project}/predictions")
    page.get_by_role("grid", name="Predictions").get_by_role("gridcell").first.click()
    dialog = page.get_by_role("dialog", name=re.compile("^Asked"))
    expect(dialog.get_by_role("img", name="The photo that was sent")).to_be_visible()
    for name in ("Delete", "Add to the training photos"):
        expect(dialog.get_by_role("button", name=name)).to_have_count(0)
