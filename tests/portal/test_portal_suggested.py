"""Suggestions for untagged photos: asked for, confirmed, rejected, taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from contract_projects import COMPACT
from playwright.sync_api import Page, expect
from portal_projects import Filled, PortalServer

pytestmark = pytest.mark.slow


@pytest.fixture
def untagged_garden(client: CustomVisionTrainingClient, garden: Filled) -> Iterator[Filled]:
    """The garden, whose untagged photos lose their tags after the test."""
    yield garden
    client.delete_image_tags(
        garden.project, image_ids=list(garden.untagged), tag_ids=list(garden.tags.values())
    )


@pytest.fixture
def untagged_scenes(client: CustomVisionTrainingClient, scenes: Filled) -> Iterator[Filled]:
    """The scenes, whose untagged photos lose their boxes after the test."""
    yield scenes
    images = client.get_images_by_ids(scenes.project, image_ids=list(scenes.untagged))
    regions = [region.region_id for image in images for region in image.regions or []]
    if regions:
        client.delete_image_regions(scenes.project, region_ids=regions)


def test_tags_are_confirmed_rejected_and_taken_back(
    signed_in: Callable[..., Page], client: CustomVisionTrainingClient, untagged_garden: Filled
) -> None:
    project, untagged = untagged_garden.project, untagged_garden.untagged
    page = signed_in(path=f"/projects/{project}/suggested")
    page.get_by_label("How many photos").fill("2")
    page.get_by_role("button", name="Get suggestions").click()
    cards = page.get_by_role("listitem")
    expect(cards).to_have_count(2)
    expect(page.get_by_text(f"{len(untagged) - 2} of them without suggestions")).to_be_visible()
    page.get_by_role("button", name="Get suggestions").click()
    expect(cards).to_have_count(len(untagged))
    expect(page.get_by_text("all with suggestions")).to_be_visible()

    cards.first.get_by_role("button", name=re.compile("^Confirm ")).click()
    expect(cards).to_have_count(len(untagged) - 1)
    expect(page.get_by_role("status").filter(has_text="1 photo tagged")).to_be_visible()
    expect(page.get_by_text(f"{len(untagged) - 1} photos untagged")).to_be_visible()
    assert client.get_untagged_image_count(project) == len(untagged) - 1
    page.get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(len(untagged))
    expect(page.get_by_text(f"{len(untagged)} photos untagged")).to_be_visible()
    assert client.get_untagged_image_count(project) == len(untagged)

    for number in (0, 1):
        cards.nth(number).get_by_role("checkbox").check()
    bar = page.get_by_role("region", name="Selected suggestions")
    expect(bar).to_contain_text("2 photos selected")
    bar.get_by_role("button", name="Reject").click()
    expect(cards).to_have_count(len(untagged) - 2)
    page.get_by_role("button", name="Show them again").click()
    expect(cards).to_have_count(len(untagged))

    cards.first.get_by_role("checkbox").check()
    other = bar.get_by_role("textbox", name="Another tag")
    other.fill("daisy")
    other.press("Enter")
    expect(cards).to_have_count(len(untagged) - 1)
    likely = page.get_by_role("button", name=re.compile(r"^Confirm all \d+$")).first
    count = len(untagged) - 1 - int(likely.inner_text().split()[-1])
    likely.click()
    expect(cards).to_have_count(count)
    for left in range(count - 1, -1, -1):  # unlikely tags have no button for all of them
        cards.first.get_by_role("button", name=re.compile("^Confirm ")).click()
        expect(cards).to_have_count(left)
    expect(page.get_by_text("Every photo has a tag")).to_be_visible()
    assert client.get_untagged_image_count(project) == 0
    images = client.get_images_by_ids(project, image_ids=list(untagged))
    assert "daisy" in [tag.tag_name for image in images for tag in image.tags]


def test_boxes_are_chosen_and_accepted(
    signed_in: Callable[..., Page], client: CustomVisionTrainingClient, untagged_scenes: Filled
) -> None:
    project, untagged = untagged_scenes.project, untagged_scenes.untagged
    page = signed_in(path=f"/projects/{project}/suggested")
    page.get_by_role("button", name="Get suggestions").click()
    expect(page.get_by_text("No suggestion fits")).to_be_visible()
    page.get_by_role("slider").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    photos = page.get_by_role("main").get_by_role("listitem")
    expect(photos).to_have_count(len(untagged))
    expect(photos.first.get_by_role("img")).to_have_accessible_name(re.compile(r"(red|green|blue) \d+ %"))

    photos.filter(has=page.get_by_role("img", name=re.compile("red"))).get_by_text("Choose boxes").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name=re.compile("^green")).check()
    dialog.get_by_role("button", name="Accept 2 boxes").click()
    expect(photos).to_have_count(len(untagged) - 1)
    found = _tags_of(client, untagged_scenes)
    assert sorted(found) == ["green", "red"]

    page.get_by_role("button", name=re.compile("^Accept the boxes of all 2")).click()
    page.get_by_role("dialog").get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Every photo has a tag")).to_be_visible()
    assert sorted(_tags_of(client, untagged_scenes)) == ["blue", "green", "green", "red"]


def _tags_of(client: CustomVisionTrainingClient, filled: Filled) -> list[str]:
    images = client.get_images_by_ids(filled.project, image_ids=list(filled.untagged))
    return [region.tag_name for image in images for region in image.regions or []]


def test_without_an_iteration_the_way_leads_to_training(
    signed_in: Callable[..., Page], client: CustomVisionTrainingClient
) -> None:
    project = client.create_project("Untrained", domain_id=COMPACT, classification_type="Multiclass").id
    page = signed_in(path=f"/projects/{project}/suggested")
    page.get_by_role("link", name="Go to training").click()
    expect(page).to_have_url(re.compile("/train$"))
    client.delete_project(project)


def test_a_key_that_only_reads_asks_for_nothing(
    signed_in: Callable[..., Page], portal: PortalServer, scenes: Filled
) -> None:
    page = signed_in(portal.read_key, f"/projects/{scenes.project}/suggested")
    expect(page.get_by_text("untagged").or_(page.get_by_text("No suggestions yet"))).to_be_visible()
    expect(page.get_by_role("button", name="Get suggestions")).to_have_count(0)
