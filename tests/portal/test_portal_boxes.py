"""Boxes on photos: drawn, moved, resized, tagged, copied, proposed, and what the server has afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import Region
from contract_projects import batch_of
from playwright.sync_api import Browser, Locator, Page, expect
from portal_pages import open_page, watched_context
from portal_projects import Filled, PortalServer, scene

pytestmark = pytest.mark.slow

_WIDE, _HIGH = 320, 240  # pixels of each photo
_REGIONS = "**/images/regions*"
Box: TypeAlias = tuple[str, int, int, int, int]
"""A tag's name; left, top, width and height in pixels of the photo."""


@dataclass
class Desk:
    """Photos of a detection project for one test, the first of which has a red box.

    Attributes:
        filled: the project.
        images: ids, the newest last.
        client: reads what the server has.
    """

    filled: Filled
    images: list[str]
    client: CustomVisionTrainingClient

    def path(self, number: int = 0) -> str:
        """The address of a photo's page; the oldest photos come first."""
        return f"/projects/{self.filled.project}/images/{self.images[number]}?order=oldest"

    def boxes(self, number: int = 0) -> list[Box]:
        """What the server has of a photo."""
        [image] = self.client.get_images_by_ids(self.filled.project, image_ids=[self.images[number]])
        found = [
            (
                one.tag_name,
                *(round(value) for value in (one.left * _WIDE, one.top * _HIGH)),
                *(round(value) for value in (one.width * _WIDE, one.height * _HIGH)),
            )
            for one in image.regions or []
        ]
        return sorted(found)


class Canvas:
    """The drawing of a page, in pixels of the photo."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.element = page.get_by_role("group", name="Boxes on the photo")
        expect(self.element).to_have_attribute("data-loaded", "true")

    def at(self, left: float, top: float) -> tuple[float, float]:
        """Where a pixel of the photo is on the page."""
        frame = self.element.bounding_box()
        assert frame is not None
        scale, x, y = (float(part) for part in (self.element.get_attribute("data-view") or "").split())
        return frame["x"] + x + left * scale, frame["y"] + y + top * scale

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a pixel of the photo, and let go of it at another."""
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        self.page.mouse.move(*self.at(*end))
        self.page.mouse.up()

    def click(self, left: float, top: float) -> None:
        self.page.mouse.click(*self.at(left, top))

    def zoom(self) -> str:
        """What the tools say of it, such as `98 %`."""
        return self.page.get_by_role("toolbar").get_by_text(re.compile(r"^\d+ %$")).inner_text()


@pytest.fixture
def desk(client: CustomVisionTrainingClient, scenes: Filled) -> Iterator[Desk]:
    """Three photos more, one after the other; they are deleted after the test."""
    images = []
    for number in range(3):
        batch = batch_of([scene("red", (0.1 + number * 0.01, 0.1, 0.3, 0.3))])
        if number == 0:
            batch.images[0].regions = [
                Region(tag_id=scenes.tags["red"], left=0.1, top=0.1, width=0.3, height=0.3)
            ]
        summary = client.create_images_from_files(scenes.project, batch)
        assert summary.is_batch_successful, [one.status for one in summary.images]
        images.append(summary.images[0].image.id)
    yield Desk(scenes, images, client)
    client.delete_images(scenes.project, image_ids=images)


def _saved(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()


def _near(found: list[Box], wanted: list[Box]) -> bool:
    """Whether boxes are the same within a pixel of the screen, which is less than one of the photo."""
    return len(found) == len(wanted) and all(
        one[0] == other[0] and all(abs(a - b) <= 1 for a, b in zip(one[1:], other[1:], strict=True))
        for one, other in zip(sorted(found), sorted(wanted), strict=True)
    )


def _reaches(desk: Desk, wanted: list[Box], number: int = 0) -> None:
    assert _near(desk.boxes(number), wanted), desk.boxes(number)


def _list(page: Page) -> Locator:
    return page.get_by_role("region", name="Boxes", exact=True)


def test_drawing_moving_resizing_tagging_and_undoing(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path())
    canvas = Canvas(page)
    red: Box = ("red", 32, 24, 96, 72)
    canvas.drag((200, 100), (260, 180))
    expect(_list(page)).to_contain_text("no tag yet")
    page.keyboard.press("2")  # the key of the second tag
    _saved(page)
    _reaches(desk, [red, ("green", 200, 100, 60, 80)])
    canvas.drag((230, 140), (210, 120))
    _saved_as(page, "60 × 80 at 180, 80")
    _reaches(desk, [red, ("green", 180, 80, 60, 80)])
    canvas.drag((240, 160), (300, 200))  # the handle of the lower right corner
    _saved_as(page, "120 × 120 at 180, 80")
    _reaches(desk, [red, ("green", 180, 80, 120, 120)])
    page.keyboard.press("3")
    _saved_as(page, "blue")
    _reaches(desk, [red, ("blue", 180, 80, 120, 120)])

    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    _saved_as(page, "60 × 80 at 180, 80")
    _reaches(desk, [red, ("green", 180, 80, 60, 80)])
    page.keyboard.press("Control+Shift+z")
    _saved_as(page, "120 × 120")
    canvas.click(200, 90)
    page.keyboard.press("Delete")
    expect(_list(page).get_by_role("listitem")).to_have_count(1)
    _saved(page)
    _reaches(desk, [red])

    canvas.drag((10, 200), (11, 201))  # as small as a shaking hand
    expect(_list(page).get_by_role("listitem")).to_have_count(1)
    page.mouse.move(*canvas.at(100, 100))
    before = canvas.zoom()
    page.mouse.wheel(0, -600)
    expect(page.get_by_role("toolbar")).not_to_contain_text(before)
    canvas.drag((110, 110), (130, 130))  # the tag is that of the last box
    _saved_as(page, "20 × 20 at 110, 110")
    _reaches(desk, [red, ("blue", 110, 110, 20, 20)])


def _saved_as(page: Page, text: str) -> None:
    expect(_list(page)).to_contain_text(text)
    _saved(page)


def test_a_new_tag_and_a_reload(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path(1))
    Canvas(page).drag((100, 100), (180, 160))
    field = page.get_by_role("textbox", name="Tag of the selected box")
    field.fill("purple")
    field.press("Enter")
    _saved_as(page, "purple")
    page.reload()
    Canvas(page)
    expect(_list(page)).to_contain_text("80 × 60 at 100, 100")
    _reaches(desk, [("purple", 100, 100, 80, 60)], 1)
    tag = next(one for one in desk.client.get_tags(desk.filled.project) if one.name == "purple")
    desk.client.delete_tag(desk.filled.project, tag.id)


def test_copied_boxes_are_saved_on_the_way_to_the_next_photo(
    signed_in: Callable[..., Page], desk: Desk
) -> None:
    page = signed_in(path=desk.path(1))
    Canvas(page)
    expect(page.get_by_role("button", name="Next photo")).to_be_enabled()
    page.keyboard.press("Shift+C")
    _saved_as(page, "96 × 72 at 32, 24")
    page.keyboard.press("Shift+ArrowRight")  # the copied box is selected: it grows
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")  # and without one, the next photo comes, at once
    expect(page).to_have_url(re.compile(desk.images[2]))
    canvas = Canvas(page)
    expect(_list(page)).to_contain_text("No boxes yet")
    page.get_by_role("button", name="Copy the boxes of the previous photo").click()
    _saved_as(page, "97 × 72 at 32, 24")
    _reaches(desk, [("red", 32, 24, 97, 72)], 1)
    _reaches(desk, [("red", 32, 24, 97, 72)], 2)
    page.get_by_role("button", name="Previous photo", exact=True).click()
    expect(page).to_have_url(re.compile(desk.images[1]))
    page.get_by_role("button", name="Back to the photos").click()
    cell = page.get_by_role("gridcell").and_(page.locator("[data-focused]"))
    expect(cell).to_be_focused()
    cell.press("Enter")
    expect(page).to_have_url(re.compile(desk.images[1]))
    assert canvas.page is page


def test_proposals_and_what_the_iteration_finds(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path(1))
    canvas = Canvas(page)
    page.get_by_role("button", name="Propose boxes").click()
    offers = page.get_by_role("region", name="Proposed boxes")
    first = offers.get_by_role("listitem").first
    expect(first).to_be_visible()
    where = re.search(r"(\d+) × (\d+) at (\d+), (\d+)", first.inner_text())
    assert where is not None
    width, height, left, top = (int(part) for part in where.groups())
    page.keyboard.press("1")
    first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    _saved_as(page, where.group())
    _reaches(desk, [("red", left, top, width, height)], 1)
    page.keyboard.press("Delete")
    expect(_list(page)).to_contain_text("No boxes yet")
    page.get_by_role("button", name="Ask Iteration 1").click()
    expect(offers.get_by_role("listitem").first).to_contain_text("red")
    found = re.search(r"(\d+) × (\d+) at (\d+), (\d+)", offers.get_by_role("listitem").first.inner_text())
    assert found is not None
    width, height, left, top = (int(part) for part in found.groups())
    canvas.click(left + width / 2, top + height / 2)
    _saved_as(page, found.group())
    _reaches(desk, [("red", left, top, width, height)], 1)


def test_a_server_that_cannot_be_reached_loses_nothing(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path(1))
    canvas = Canvas(page)
    page.keyboard.press("1")
    page.route(_REGIONS, lambda route: route.abort())
    canvas.drag((100, 100), (150, 150))
    expect(page.get_by_text("kept here")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile(desk.images[2]))
    expect(_list(page)).to_contain_text("No boxes yet")
    canvas = Canvas(page)
    canvas.drag((10, 10), (50, 50))
    expect(page.get_by_text("2 boxes are kept here")).to_be_visible()
    assert desk.boxes(1) == desk.boxes(2) == []
    page.unroute(_REGIONS)
    _saved(page)
    _reaches(desk, [("red", 10, 10, 40, 40)], 2)
    page.keyboard.press("Escape")
    page.keyboard.press("PageUp")
    _saved_as(page, "50 × 50 at 100, 100")
    _reaches(desk, [("red", 100, 100, 50, 50)], 1)


def test_a_refusal_is_said_and_tried_again(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path(1))
    canvas = Canvas(page)
    page.keyboard.press("1")
    refusal = {"code": "BadRequestImageRegions", "message": "Expected another region."}
    page.route(_REGIONS, lambda route: route.fulfill(status=400, json=refusal))
    canvas.drag((100, 100), (150, 150))
    expect(page.get_by_text("1 box not saved: Expected another region.")).to_be_visible()
    page.unroute(_REGIONS)
    page.get_by_role("button", name="Try again").click()
    _saved(page)
    _reaches(desk, [("red", 100, 100, 50, 50)], 1)


def test_the_keyboard_alone(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path(1))
    Canvas(page)
    page.keyboard.press("1")
    page.keyboard.press("Shift+N")
    _saved_as(page, "80 × 60 at 120, 90")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    _saved_as(page, "81 × 60 at 118, 89")
    page.keyboard.press("Escape")
    box = _list(page).get_by_role("button", name=re.compile("^Box 1: red"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if box.evaluate("element => element === document.activeElement"):
            break
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("3")
    _saved_as(page, "81 × 60 at 118, 90")
    expect(box.or_(_list(page).get_by_role("button", name=re.compile("^Box 1: blue")))).to_be_focused()
    _reaches(desk, [("blue", 118, 90, 81, 60)], 1)
    page.keyboard.press("Delete")
    expect(_list(page)).to_contain_text("No boxes yet")
    _saved(page)
    assert desk.boxes(1) == []


def test_fingers_draw_and_pinch(browser: Browser, portal: PortalServer, desk: Desk) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with watched_context(browser, portal.base, **phone) as context:
        page = open_page(context.new_page(), portal.base, portal.admin_key, desk.path(1))
        canvas = Canvas(page)
        touch = context.new_cdp_session(page)

        def fingers(kind: str, *points: tuple[float, float]) -> None:
            given = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

        def move(start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
            for number in range(1, len(start) + 1):
                fingers("touchStart", *start[:number])
            for step in (0.3, 0.6, 1.0):
                fingers(
                    "touchMove",
                    *[
                        (x + (u - x) * step, y + (v - y) * step)
                        for (x, y), (u, v) in zip(start, end, strict=True)
                    ],
                )
            fingers("touchEnd")

        page.get_by_role("button", name=re.compile("^green")).tap()
        move([canvas.at(100, 100)], [canvas.at(200, 180)])
        _saved_as(page, "100 × 80 at 100, 100")
        _reaches(desk, [("green", 100, 100, 100, 80)], 1)
        move([canvas.at(150, 140)], [canvas.at(130, 120)])
        _saved_as(page, "at 80, 80")
        before = float(canvas.zoom().split()[0])
        one, other = canvas.at(140, 60), canvas.at(180, 60)
        move([one, other], [(one[0] - 40, one[1]), (other[0] + 40, other[1])])
        page.wait_for_function(
            "before => parseFloat(document.querySelector('[data-view]').dataset.view) * 100 > before * 1.5",
            arg=before,
        )
        expect(_list(page).get_by_role("listitem")).to_have_count(1)
        _reaches(desk, [("green", 80, 80, 100, 80)], 1)
        wide: Any = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= phone["viewport"]["width"]  # type: ignore[index]


def test_a_key_that_only_reads_sees_the_boxes(
    signed_in: Callable[..., Page], portal: PortalServer, desk: Desk
) -> None:
    page = signed_in(portal.read_key, desk.path())
    canvas = Canvas(page)
    expect(_list(page)).to_contain_text("96 × 72 at 32, 24")
    canvas.drag((200, 100), (260, 180))
    page.keyboard.press("Shift+N")
    expect(_list(page).get_by_role("listitem")).to_have_count(1)
    for name in ("Propose boxes", "Delete the photo", "Undo"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_deleting_leads_to_the_next_photo(signed_in: Callable[..., Page], desk: Desk) -> None:
    page = signed_in(path=desk.path())
    Canvas(page)
    page.get_by_role("button", name="Delete the photo").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(desk.images[1]))
    assert desk.client.get_images_by_ids(desk.filled.project, image_ids=[desk.images[0]]) == []


def test_a_photo_is_tagged_where_it_is_large(
    signed_in: Callable[..., Page], client: CustomVisionTrainingClient, garden: Filled
) -> None:
    images = list(garden.untagged)[:2]
    page = signed_in(path=f"/projects/{garden.project}/images/{images[0]}?show=untagged&order=oldest")
    expect(page.get_by_role("img", name="Photo without tags")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^1 of \d+$"))).to_be_visible()
    page.keyboard.press("1")  # among untagged photos, a tag leads on
    expect(page).to_have_url(re.compile(images[1]))
    expect(page.get_by_text(re.compile(r"^2 of \d+$"))).to_be_visible()
    expect(page.get_by_role("img", name="Photo without tags")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(images[0]))
    expect(page.get_by_role("img", name=re.compile("^Photo, tagged "))).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    assert client.get_untagged_image_count(garden.project) == len(garden.untagged) - 1
    page.keyboard.press("Control+z")
    expect(page.get_by_role("img", name="Photo without tags")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("grid")).to_be_visible()
    assert client.get_untagged_image_count(garden.project) == len(garden.untagged)
