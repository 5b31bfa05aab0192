"""Training by clicks: what stands in the way, progress, what comes next, cancelling; and what goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from contract_projects import COMPACT, upload
from playwright.sync_api import Page, expect
from portal_iterations import add_failed
from portal_projects import Filled, PortalServer

pytestmark = pytest.mark.slow

_NAME = "Bed of flowers"
_LEAST = 5  # photos of a tag that training needs
_SECONDS = 240_000  # at most, for what the machine does; in milliseconds


@pytest.fixture(scope="module")
def bed(client: Any, photos: Sequence[Path]) -> str:
    """A project of two tags with as many photos as training needs, not trained yet."""
    return _planted(client, photos, _NAME, (_LEAST, _LEAST))


def _planted(client: Any, photos: Sequence[Path], name: str, counts: Sequence[int]) -> str:
    project = client.create_project(name, domain_id=COMPACT, classification_type="Multiclass").id
    tags = sorted({photo.parent.name for photo in photos})
    for tag, count in zip(tags, counts, strict=False):
        some = [photo.read_bytes() for photo in photos if photo.parent.name == tag][:count]
        upload(client, project, some, client.create_tag(project, tag).id)
    return str(project)


def _progress(page: Page) -> Any:
    return page.get_by_role("progressbar", name="Progress of the training")


def _status(client: Any, project: str) -> list[str]:
    return [one.status for one in client.get_iterations(project)]


def test_a_project_is_trained_by_clicks(client: Any, bed: str, signed_in: Callable[..., Page]) -> None:
    page = signed_in(path=f"/projects/{bed}/train")
    expect(page.get_by_text(f"2 tags, {2 * _LEAST} photos")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("is being trained"))).to_be_visible()
    expect(_progress(page)).to_have_attribute("aria-valuetext", re.compile(r"\w+, \d+ %"))
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()

    done = page.get_by_role("region", name=re.compile(r"Iteration \d is trained"))
    expect(done).to_be_visible(timeout=_SECONDS)
    expect(done.get_by_text(f"of {2 * _LEAST} photos that it had not learned from")).to_be_visible()
    expect(done.get_by_role("link", name="Test it with a photo")).to_be_visible()
    expect(done.get_by_role("link", name="Publish it")).to_be_visible()
    trained = [one for one in client.get_iterations(bed) if one.status == "Completed"]
    expect(done.get_by_role("link", name="See how good it is")).to_have_attribute(
        "href", f"#/projects/{bed}/performance/{trained[0].id}"
    )
    # The same again is refused in the API's words, and can be insisted on.
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing changed since last training")
    expect(page.get_by_role("button", name="Train anyway")).to_be_enabled()
    assert "Training" not in _status(client, bed)


def test_what_goes_on_is_seen_and_cancelled_in_one_place(
    client: Any, bed: str, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(path=f"/projects/{bed}/train")
    page.get_by_role("radio", name="Advanced").click()
    hours = page.get_by_role("textbox", name="Budget in hours")
    hours.fill("")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    hours.fill("1000")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Expected reservedBudgetInHours of at most 24")
    hours.fill("2")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(_progress(page)).to_be_visible()
    expect(page.get_by_text("Advanced, at most 2 h")).to_be_visible()

    page.get_by_role("link", name="Activity").click()
    under_way = page.get_by_role("region", name="Under way (1)")
    job = under_way.get_by_role("article", name=re.compile(rf"Training: Iteration \d, {_NAME}"))
    expect(job.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("region", name="Workers").get_by_role("listitem").first).to_be_visible()
    job.get_by_role("button", name=re.compile("^Cancel")).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    ended = page.get_by_role("region", name="Ended").get_by_role("article").first
    expect(ended).to_contain_text("Cancelled", timeout=_SECONDS)
    expect(ended).to_contain_text(_NAME)
    expect(page.get_by_role("region", name="Under way (0)")).to_be_visible()

    ended.get_by_role("link", name=_NAME).click()
    expect(page.get_by_text(re.compile(r"The training of Iteration \d was cancelled"))).to_be_visible()
    assert "Training" not in _status(client, bed)


def test_a_training_is_cancelled_where_it_is_watched(
    client: Any, bed: str, signed_in: Callable[..., Page]
) -> None:
    iteration = client.train_project(
        bed, training_type="Advanced", reserved_budget_in_hours=1, force_train=True
    )
    page = signed_in(path=f"/projects/{bed}/train")
    page.get_by_role("button", name="Cancel the training").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the training").click()
    expect(page.get_by_text(f"The training of {iteration.name} was cancelled")).to_be_visible(
        timeout=_SECONDS
    )
    assert client.get_iteration(bed, iteration.id).status == "Failed"
    # What is not needed any more is renamed, then deleted.
    page.get_by_role("button", name=f"Change {iteration.name}").click()
    page.get_by_role("menuitem", name="Rename…").click()
    page.get_by_role("textbox", name="Name").fill("Too slow")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Change Too slow").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Change Too slow")).to_have_count(0)
    assert iteration.id not in [one.id for one in client.get_iterations(bed)]


def test_what_stands_in_the_way_is_said(
    client: Any, photos: Sequence[Path], signed_in: Callable[..., Page]
) -> None:
    project = _planted(client, photos, "Seedlings", (3, _LEAST))
    few, enough = sorted({photo.parent.name for photo in photos})[:2]
    page = signed_in(path=f"/projects/{project}/train")
    train = page.get_by_role("button", name="Train", exact=True)
    hindrances = page.get_by_role("alert")
    expect(hindrances).to_contain_text(f"{few} has 3 photos and needs 5: add 2 more")
    expect(hindrances).not_to_contain_text(enough)
    expect(train).to_be_disabled()
    page.get_by_role("checkbox", name=f"Train {few}").click()
    expect(hindrances).to_contain_text("1 tag with photos is chosen, and training needs 2")
    expect(train).to_be_disabled()
    page.get_by_role("checkbox", name=f"Train {few}").click()

    some = [photo.read_bytes() for photo in photos if photo.parent.name == few][3:_LEAST]
    tag = next(one.id for one in client.get_tags(project) if one.name == few)
    upload(client, project, some, tag)
    page.reload()
    expect(train).to_be_enabled()
    expect(hindrances).to_have_count(0)
    client.delete_project(project)


def test_a_failed_training_says_why_and_what_to_do(
    client: Any, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    project = client.create_project("Frost", domain_id=COMPACT, classification_type="Multiclass").id
    page = signed_in(path=f"/projects/{project}/train")
    expect(page.get_by_role("heading", name="There is nothing to learn yet")).to_be_visible()
    reason = "The disk is full: 3 MB are free, and 200 are needed. Delete what is not needed."
    add_failed(portal, project, reason)
    page.reload()
    failed = page.get_by_role("alert").filter(has_text="The training of Iteration 1 failed")
    expect(failed).to_contain_text(reason)
    expect(failed).to_contain_text("Put that right, then train again.")
    expect(page.get_by_role("region", name="Iterations").get_by_text("Failed", exact=True)).to_be_visible()
    client.delete_project(project)


def test_a_detector_is_trained_on_chosen_tags(scenes: Filled, signed_in: Callable[..., Page]) -> None:
    page = signed_in(path=f"/projects/{scenes.project}/train")
    expect(page.get_by_role("alert")).to_contain_text("red has 2 photos and needs 15: add 13 more")
    for tag in ("red", "green", "blue"):
        page.get_by_role("checkbox", name=f"Train {tag}").click()
    expect(page.get_by_role("alert")).to_contain_text("0 tags with photos are chosen, and training needs 1")


def test_a_key_that_may_only_look_trains_nothing(
    garden: Filled, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(portal.read_key, f"/projects/{garden.project}/train")
    expect(page.get_by_text("Your key may only look.")).to_be_visible()
    expect(
        page.get_by_role("region", name="Iterations").get_by_role("link", name="Performance of")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Change"))).to_have_count(0)
    page.goto(f"{portal.base}/#/activity")
    expect(page.get_by_text("Only administrators see what goes on here")).to_be_visible()
