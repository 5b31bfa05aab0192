"""The photos of a project: found, tagged by keys, changed many at once; its tags; two tabs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from contract_projects import upload
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from portal_files import noise
from portal_pages import open_page, watched_context
from portal_projects import Filled, PortalServer

pytestmark = pytest.mark.slow

SignedIn = Callable[..., Page]
_ALL = 60


@pytest.fixture
def project(client: Any) -> str:
    """A project whose photos may have several tags, without any."""
    return str(client.create_project("Images", classification_type="Multilabel").id)


def _fill(client: Any, project: str, count: int, *tags: str) -> list[str]:
    return list(upload(client, project, [noise(number) for number in range(count)], *tags))


def _opened(signed_in: SignedIn, project: str, query: str = "", key: str | None = None) -> Page:
    page = signed_in(path=f"/projects/{project}/images{query}", key=key)
    expect(page.locator("[data-loaded]").first).to_be_visible()
    return page


def _photo(page: Page, place: int) -> Locator:
    return page.locator(f"[data-place='{place}']")


def _saved(page: Page) -> None:
    expect(page.get_by_text("Saving")).to_have_count(0)


def _counts(client: Any, project: str) -> dict[str, int]:
    return {tag.name: tag.image_count for tag in client.get_tags(project)}


def _input(page: Page, label: str) -> Locator:
    """The field of a list of choices, whose options may have the same label."""
    return page.get_by_label(label).and_(page.locator("input"))


def test_photos_are_filtered_by_tags_and_by_iteration(
    signed_in: SignedIn, client: Any, garden: Filled
) -> None:
    tagged, untagged = sum(map(len, garden.images.values())), len(garden.untagged)
    page = _opened(signed_in, garden.project)
    photos = page.locator("[data-loaded]")
    expect(photos).to_have_count(tagged + untagged)
    page.get_by_text(f"Untagged {untagged}", exact=True).click()
    expect(photos).to_have_count(untagged)
    page.get_by_text(f"Tagged {tagged}", exact=True).click()
    expect(photos).to_have_count(tagged)
    page.get_by_role("button", name="Show photos tagged daisy").click()
    expect(photos).to_have_count(len(garden.images["daisy"]))
    expect(photos.first).to_have_attribute("aria-label", "Photo 1, daisy")
    page.reload()  # the address says the filter
    expect(photos).to_have_count(len(garden.images["daisy"]))

    # The iteration's own set; one photo is said to be judged wrong, whatever this small garden gave.
    daisy = garden.images["daisy"][0]
    page.route(re.compile("/performance/images"), lambda route: _misjudge(route, daisy))
    page.get_by_label("Leave out daisy").click()
    _input(page, "Photos as of").click()
    page.get_by_role("option", name="Iteration 1").click()
    expect(page.get_by_text("You see the photos as that iteration was trained on them.")).to_be_visible()
    expect(photos).to_have_count(tagged + untagged)
    expect(page.locator("[data-wrong]")).to_have_count(1)
    expect(page.locator("[data-wrong]")).to_have_attribute("aria-label", re.compile("daisy, judged wrong$"))
    expect(page.get_by_text(f"1 of {tagged} photos")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)  # the past is not changed


def _misjudge(route: Route, image: str) -> None:
    answer = route.fetch()
    photos = answer.json()
    for photo in photos:
        right = {tag["tagId"] for tag in photo["tags"]}
        for one in photo["predictions"]:
            one["probability"] = float((one["tagId"] in right) != (photo["id"] == image))
    route.fulfill(response=answer, body=json.dumps(photos))


def test_sixty_photos_are_tagged_by_keys_as_fast_as_can_be(
    signed_in: SignedIn, client: Any, project: str
) -> None:
    _fill(client, project, _ALL)
    for name in ("rose", "daisy"):
        client.create_tag(project, name)
    page = _opened(signed_in, project, "?show=untagged")
    page.keyboard.press("Home")
    began = time.monotonic()
    for number in range(_ALL):
        page.keyboard.press(str(1 + number % 2))
    typed = time.monotonic() - began
    expect(page.get_by_text(f"{_ALL} photos shown here no longer match.")).to_be_visible()
    _saved(page)
    assert typed < _ALL, f"{_ALL} keys took {typed:.0f} s: less than one photo a second"
    assert _counts(client, project) == {"rose": _ALL // 2, "daisy": _ALL // 2}

    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+y")
    _saved(page)
    assert _counts(client, project) == {"rose": _ALL // 2, "daisy": _ALL // 2 - 1}
    page.get_by_role("button", name="Hide them").click()
    expect(page.locator("[data-loaded]")).to_have_count(1)
    page.keyboard.press("1")
    page.keyboard.press("u")  # takes it off again
    _saved(page)
    assert client.get_untagged_image_count(project) == 1


def test_many_photos_are_tagged_untagged_and_deleted_at_once(
    signed_in: SignedIn, client: Any, project: str
) -> None:
    rose = client.create_tag(project, "rose").id
    _fill(client, project, 12, rose)
    client.create_tag(project, "none of them", type="Negative")
    page = _opened(signed_in, project)
    bar = page.get_by_role("toolbar")

    page.keyboard.press("Control+a")
    expect(bar.get_by_text("12 photos selected")).to_be_visible()
    bar.get_by_role("button", name="Tag…", exact=True).click()
    page.get_by_label("Tag 12 photos").fill("garden")
    page.get_by_label("Tag 12 photos").press("Enter")
    expect(page.locator("[aria-label*='rose, garden']")).to_have_count(12)
    _saved(page)
    assert _counts(client, project) == {"rose": 12, "garden": 12, "none of them": 0}

    bar.get_by_role("button", name="Clear the selection").click()
    _photo(page, 0).click(modifiers=["Control"])
    _photo(page, 3).click(modifiers=["Shift"])
    expect(bar.get_by_text("4 photos selected")).to_be_visible()
    bar.get_by_role("button", name="Negative").click()  # cannot be there with others
    expect(page.locator("[data-loaded][aria-label$='none of them']")).to_have_count(4)
    _saved(page)
    assert _counts(client, project) == {"rose": 8, "garden": 8, "none of them": 4}
    bar.get_by_role("button", name="Remove tags").click()
    _saved(page)
    assert _counts(client, project)["none of them"] == 0
    page.keyboard.press("Control+z")
    _saved(page)
    assert _counts(client, project)["none of them"] == 4

    bar.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_text("4 photos, 4 of them tagged,").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-loaded]")).to_have_count(8)
    assert client.get_image_count(project) == 8


def test_tags_are_made_renamed_described_merged_and_deleted(
    signed_in: SignedIn, client: Any, project: str
) -> None:
    _fill(client, project, 4, client.create_tag(project, "roze").id)
    page = _opened(signed_in, project)
    panel = page.get_by_role("region", name="Tags")
    expect(panel.get_by_text("1 more photo to train")).to_be_visible()
    panel.get_by_label("Name of the new tag").fill("rose")
    panel.get_by_role("button", name="Create", exact=True).click()
    expect(panel.get_by_text("5 more photos to train")).to_be_visible()
    panel.get_by_label("Name of the new tag").fill("Rose")
    panel.get_by_role("button", name="Create", exact=True).click()
    expect(panel.get_by_text(re.compile("Rose.*", re.IGNORECASE)).last).to_be_visible()
    panel.get_by_role("button", name="Add a Negative tag").click()
    expect(panel.get_by_role("button", name="Show photos tagged Negative")).to_be_visible()

    panel.get_by_role("button", name="Change rose", exact=True).click()
    page.get_by_role("menuitem", name="Rename or describe").click()
    page.get_by_role("dialog").get_by_role("textbox").first.fill("wild rose")
    page.get_by_label("Description").fill("of hedges")
    page.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("button", name="Show photos tagged wild rose")).to_have_attribute(
        "title", "of hedges"
    )

    panel.get_by_role("button", name="Change roze").click()
    page.get_by_role("menuitem", name="Merge into").click()
    _input(page, "The other tag").click()
    page.get_by_role("option", name="wild rose").click()
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    expect(page.locator("[aria-label$=', wild rose']")).to_have_count(4)
    assert _counts(client, project)["wild rose"] == 4

    panel.get_by_role("button", name="Change wild rose").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("4 photos will lose wild rose; the photos stay.")).to_be_visible()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("[aria-label$=', wild rose']")).to_have_count(0)
    assert "wild rose" not in _counts(client, project)
    assert client.get_image_count(project) == 4


def test_two_tabs_change_the_same_project(
    signed_in: SignedIn, context: BrowserContext, portal: PortalServer, client: Any, project: str
) -> None:
    images = _fill(client, project, 6)
    for name in ("first", "second"):
        client.create_tag(project, name)
    one = _opened(signed_in, project)
    path = f"/projects/{project}/images"
    other = open_page(context.new_page(), portal.base, portal.admin_key, path)
    expect(other.locator("[data-loaded]")).to_have_count(6)

    _photo(other, 0).click()
    other.keyboard.press("1")
    _saved(other)
    _return_until(one, one.locator("[aria-label='Photo 1, first']"))

    client.delete_tag(project, next(tag.id for tag in client.get_tags(project) if tag.name == "second"))
    client.delete_images(project, image_ids=[images[0]])  # the oldest, at the end of the list
    _photo(one, 1).click()
    one.keyboard.press("2")  # the tab does not know yet that the tag is no more
    expect(one.get_by_role("alert")).to_contain_text(re.compile("tag", re.IGNORECASE))
    _photo(one, 5).click()
    one.keyboard.press("1")  # nor that the photo is no more
    _photo(one, 4).click()
    one.keyboard.press("1")  # which does not keep this from arriving
    _saved(one)
    assert _counts(client, project) == {"first": 2}
    _return_until(one, one.get_by_text("1 photo is no longer there."))
    one.get_by_role("button", name="Show the list as it is now").click()
    expect(one.locator("[data-loaded]")).to_have_count(5)
    expect(one.get_by_role("button", name="Show photos tagged second")).to_have_count(0)


def _return_until(page: Page, seen: Locator) -> None:
    """Come back to a tab until it shows what others did: it looks again after some seconds."""
    for _ in range(30):
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        page.wait_for_timeout(500)
        if seen.count():
            return
    expect(seen).to_be_visible()


def test_touches_select_and_open(browser: Any, portal: PortalServer, client: Any, project: str) -> None:

    _fill(client, project, 4, client.create_tag(project, "rose").id)
    phone = {"width": 360, "height": 740}
    with watched_context(browser, portal.base, viewport=phone, has_touch=True, is_mobile=True) as context:
        page = open_page(context.new_page(), portal.base, portal.admin_key, f"/projects/{project}/images")
        expect(page.locator("[data-loaded]").first).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= phone["width"], "the page scrolls sideways"
        _press_long(page, _photo(page, 0))
        expect(page.get_by_role("toolbar").get_by_text("1 photo selected")).to_be_visible()
        _photo(page, 1).tap()
        expect(page.get_by_role("toolbar").get_by_text("2 photos selected")).to_be_visible()
        page.get_by_role("button", name="Remove tags").click()
        _saved(page)
        assert _counts(client, project) == {"rose": 2}
        page.get_by_role("button", name="Clear the selection").click()
        _photo(page, 0).tap()
        page.wait_for_url(re.compile(rf"/projects/{project}/images/[0-9a-f-]+"))


def _press_long(page: Page, cell: Locator) -> None:
    box = cell.bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(cell).to_have_attribute("aria-selected", "true")
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_a_key_that_only_reads_changes_nothing(
    signed_in: SignedIn, portal: PortalServer, client: Any, project: str
) -> None:
    _fill(client, project, 2, client.create_tag(project, "rose").id)
    page = _opened(signed_in, project, key=portal.read_key)
    _photo(page, 0).click()
    page.keyboard.press("1")
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name=re.compile("Add photos|Undo|Change rose|Create"))).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert _counts(client, project) == {"rose": 2}
