"""How good an iteration is, where it goes wrong, and what is fixed on the spot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from portal_judged import EARLIER_MISTAKES, MISTAKES, REPORT, Judged, add_copy, judged_flowers, judged_scenes
from portal_projects import PUBLISHED, Filled, PortalServer

pytestmark = pytest.mark.slow

SignedIn = Callable[..., Page]


@pytest.fixture(scope="module")
def flowers(client: Any, portal: PortalServer, photos: Sequence[Path]) -> Judged:
    """Three iterations that say what a photo shows; the newest is the best, the oldest has no evaluation."""
    return judged_flowers(client, portal, photos)


@pytest.fixture(scope="module")
def boxes(client: Any, portal: PortalServer) -> Judged:
    """An iteration that finds boxes, one of which nobody drew."""
    return judged_scenes(client, portal)


def performance(judged: Judged | Filled) -> str:
    """The page's address."""
    return f"/projects/{judged.project}/performance"


def tile(page: Page, name: str) -> Locator:
    """A main figure."""
    return page.get_by_role("region", name="How good is it?").get_by_role("group", name=name, exact=True)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def first_cells(table: Locator) -> list[str]:
    return table.locator("tbody tr th").all_inner_texts()


def test_a_trained_iteration_is_judged(signed_in: SignedIn, garden: Filled, client: Any) -> None:
    page = signed_in(path=performance(garden))
    found = client.get_iteration_performance(garden.project, garden.iteration, threshold=0.5)
    for name in ("Precision", "Recall", "Average precision"):
        figure = tile(page, name)
        expect(figure).to_contain_text(percent(getattr(found, name.lower().replace(" ", "_"))))
        expect(figure).to_contain_text("95 % interval")
    facts = page.get_by_label("About this iteration")
    expect(facts).to_contain_text(PUBLISHED)
    expect(facts).to_contain_text("21 photos in 5 folds")
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()
    for title in ("Can its probabilities be believed?", "Would more photos help?", "Precision and recall"):
        expect(page.get_by_role("region", name=title).get_by_role("img").first).to_be_visible()
    findings = page.get_by_role("region", name="Findings about the photos")
    expect(findings).to_contain_text("21 files looked at, 21 used.")
    finding = findings.get_by_role("button").first
    finding.click()
    expect(finding).to_have_attribute("aria-expanded", "true")


def test_the_figures_follow_the_sliders_keys(signed_in: SignedIn, flowers: Judged, client: Any) -> None:
    page = signed_in(path=performance(flowers))
    expect(tile(page, "Precision")).to_contain_text("95 % interval")
    slider = page.get_by_role("slider", name="Probability threshold")
    for _ in range(12):
        slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "0.62")
    found = client.get_iteration_performance(flowers.project, flowers.iteration, threshold=0.62)
    assert found.recall < 0.9, "the slider moves the figure"
    expect(tile(page, "Precision")).to_contain_text(percent(found.precision))
    expect(tile(page, "Recall")).to_contain_text(percent(found.recall))
    expect(tile(page, "Recall")).to_contain_text("between folds")
    expect(tile(page, "Average precision")).to_contain_text("95 % interval")
    table = page.get_by_role("table", name="Tags", exact=True)
    for tag in found.per_tag_performance:
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=tag.name, exact=True))
        expect(row).to_contain_text(percent(tag.recall))
    page.get_by_role("button", name="As in the report: 50 %").click()
    report = client.get_iteration_performance(flowers.project, flowers.iteration, threshold=0.5)
    expect(tile(page, "Recall")).to_contain_text(percent(report.recall))
    page.get_by_role("button", name=re.compile("recommended for dahlia")).click()
    expect(slider).to_be_visible()


def test_tags_are_sorted_by_weakness_and_by_any_column(
    signed_in: SignedIn, flowers: Judged, client: Any
) -> None:
    page = signed_in(path=performance(flowers))
    found = client.get_iteration_performance(flowers.project, flowers.iteration, threshold=0.5)
    weakest = [one.name for one in sorted(found.per_tag_performance, key=lambda one: one.average_precision)]
    table = page.get_by_role("table", name="Tags", exact=True)
    expect(table).to_be_visible()
    assert first_cells(table) == weakest
    page.get_by_role("button", name="Photos", exact=True).click()
    header = table.get_by_role("columnheader", name="Photos")
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert first_cells(table) == ["daisy", "daffodil", "dahlia"], "8, 9 and 10 photos"
    page.get_by_role("button", name="Photos", exact=True).press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    assert first_cells(table)[0] == "dahlia"


def test_a_number_of_the_confusion_matrix_opens_its_photos(signed_in: SignedIn, flowers: Judged) -> None:
    page = signed_in(path=performance(flowers))
    page.get_by_role("button", name=f"{MISTAKES} photos of daffodil taken for dahlia").press("Enter")
    dialog = page.get_by_role("dialog")
    photos = dialog.get_by_role("list", name="Photos").get_by_role("listitem")
    expect(photos).to_have_count(MISTAKES)
    expect(photos.first).to_contain_text("dahlia 90 %")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="1 photo of dahlia taken for daisy").click()
    dialog.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/projects/{flowers.project}/images/{flowers.suspect}$"))


def test_a_wrong_tag_is_fixed_where_it_is_seen(signed_in: SignedIn, flowers: Judged, client: Any) -> None:
    page = signed_in(path=performance(flowers))
    wrong = page.get_by_role("region", name="Likely wrong tags")
    expect(wrong.get_by_role("status")).to_contain_text("left to check")
    cards = wrong.get_by_role("listitem")
    count = cards.count()
    try:
        wrong.get_by_role("button", name="Tag as daisy").click()
        expect(cards).to_have_count(count - 1)
        expect(wrong.get_by_role("status")).to_be_focused()
        [image] = client.get_images_by_ids(flowers.project, image_ids=[flowers.suspect])
        assert [tag.tag_name for tag in image.tags] == ["daisy"]
        page.reload()
        expect(cards).to_have_count(count - 1)
        expect(wrong.get_by_role("button", name="Tag as daisy")).to_have_count(0)
        worst = page.get_by_role("region", name="Worst photos")
        expect(worst.get_by_text("Now tagged daisy")).to_be_visible()
        wrong.get_by_role("button", name="It is right").first.click()
        expect(cards).to_have_count(count - 2)
    finally:
        put_back(client, flowers)


def test_another_tag_than_the_suggested_one(signed_in: SignedIn, flowers: Judged, client: Any) -> None:
    page = signed_in(path=performance(flowers))
    wrong = page.get_by_role("region", name="Likely wrong tags")
    card = wrong.get_by_role("listitem").filter(has_text="Likely daisy")
    try:
        card.get_by_role("button", name="Other tag…").click()
        card.get_by_label("Right tag").fill("daff")
        page.get_by_role("option", name=re.compile("daffodil")).click()
        card.get_by_role("button", name="Save").click()
        expect(card).to_have_count(0)
        [image] = client.get_images_by_ids(flowers.project, image_ids=[flowers.suspect])
        assert [tag.tag_name for tag in image.tags] == ["daffodil"]
    finally:
        put_back(client, flowers)


def test_an_iteration_is_renamed_and_deleted(
    signed_in: SignedIn, flowers: Judged, client: Any, portal: PortalServer
) -> None:
    images = client.get_images(flowers.project, take=30)
    extra = add_copy(portal, flowers, {one.id: one.tags[0].tag_name for one in images})
    page = signed_in(path=f"{performance(flowers)}/{extra}")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Spring flowers")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    chosen = page.get_by_role("combobox", name="Iteration")
    expect(chosen).to_have_value("Spring flowers")
    assert client.get_iteration(flowers.project, extra).name == "Spring flowers"
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(chosen).not_to_have_value("Spring flowers")
    assert extra not in [one.id for one in client.get_iterations(flowers.project)]


def test_an_old_iteration_has_its_main_figures(signed_in: SignedIn, flowers: Judged, client: Any) -> None:
    page = signed_in(path=performance(flowers))
    report = page.get_by_role("link", name=re.compile("Full report"))
    with page.expect_popup() as opened:
        report.click()
    expect(opened.value.get_by_text("All figures")).to_be_visible()
    assert b"All figures" in REPORT
    page.get_by_role("combobox", name="Iteration").click()
    page.get_by_role("option").last.click()
    expect(page).to_have_url(re.compile(f"/performance/{flowers.old}$"))
    expect(page.get_by_text("This iteration has only its main figures")).to_be_visible()
    found = client.get_iteration_performance(flowers.project, flowers.old, threshold=0.5)
    expect(tile(page, "Precision")).to_contain_text(percent(found.precision))
    expect(page.get_by_role("table", name="Tags", exact=True).get_by_role("rowheader")).to_have_count(3)


def test_who_may_only_look_changes_nothing(
    signed_in: SignedIn, flowers: Judged, portal: PortalServer
) -> None:
    page = signed_in(portal.read_key, performance(flowers))
    expect(page.get_by_role("region", name="Likely wrong tags").get_by_text("Likely daisy")).to_be_visible()
    for name in ("Rename", "Delete", "Tag as daisy", "Other tag…", "It is right"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_two_iterations_side_by_side(
    signed_in: SignedIn, flowers: Judged, portal: PortalServer, page: Page
) -> None:
    signed_in(path=f"{performance(flowers)}/{flowers.iteration}")
    page.get_by_role("link", name="Compare").click()
    path = f"/dahlia/v1/projects/{flowers.project}/iterations/{flowers.iteration}/comparison"
    answer = page.request.get(
        portal.base + path, params={"with": flowers.earlier}, headers={"Training-Key": portal.admin_key}
    )
    told = answer.json()
    assert (told["wonCount"], told["lostCount"]) == (EARLIER_MISTAKES - MISTAKES, 0)
    page.get_by_role("combobox", name="Compared with").click()
    page.get_by_role("option", name="Iteration 2").click()
    counts = {"Won": "wonCount", "Lost": "lostCount", "Both right": "bothRight", "Both wrong": "bothWrong"}
    for name, key in counts.items():
        expect(page.get_by_role("group", name=name, exact=True)).to_contain_text(str(told[key]))
    figures = page.get_by_role("table", name="Figures side by side")
    for side in ("iteration", "other"):
        expect(figures).to_contain_text(percent(told["figures"][side]["averagePrecision"]))
    won = page.get_by_role("list", name="Won").get_by_role("listitem")
    expect(won).to_have_count(told["wonCount"])
    expect(won.first).to_contain_text("Iteration 2: dahlia")
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("list", name="Lost").get_by_role("listitem")).to_have_count(told["wonCount"])
    expect(page.get_by_text("No photo was won.")).to_be_visible()


def test_a_detector_and_a_box_that_is_missing(signed_in: SignedIn, boxes: Judged, client: Any) -> None:
    page = signed_in(path=performance(boxes))
    expect(tile(page, "mAP at overlap 50 %")).to_contain_text("95 % interval")
    overlap = page.get_by_role("slider", name="Overlap threshold")
    overlap.press("End")
    found = client.get_iteration_performance(
        boxes.project, boxes.iteration, threshold=0.5, overlap_threshold=1
    )
    expect(tile(page, "mAP at overlap 100 %")).to_contain_text(percent(found.average_precision))
    expect(tile(page, "Precision")).to_contain_text(percent(found.precision))
    page.get_by_role("button", name="1 box of blue taken for red").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    expect(dialog.get_by_role("listitem")).to_contain_text("blue drawn, red 90 %")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="1 box of blue found where none of them is drawn").click()
    expect(dialog.get_by_role("link")).to_have_attribute("href", re.compile(boxes.suspect))
    page.keyboard.press("Escape")
    wrong = page.get_by_role("region", name="Boxes to check")
    wrong.get_by_role("listitem").filter(has_text="Likely a blue without a box").get_by_role(
        "button", name="Add the box"
    ).click()
    expect(wrong.get_by_text("Likely a blue without a box")).to_have_count(0)
    [image] = client.get_images_by_ids(boxes.project, image_ids=[boxes.suspect])
    assert sorted(region.tag_name for region in image.regions) == ["blue", "red"]


def put_back(client: Any, judged: Judged) -> None:
    """Give the suspect image its wrong tag again."""
    [image] = client.get_images_by_ids(judged.project, image_ids=[judged.suspect])
    client.delete_image_tags(judged.project, [image.id], [tag.tag_id for tag in image.tags])
    client.create_image_tags(judged.project, [{"imageId": image.id, "tagId": judged.tags["dahlia"]}])
