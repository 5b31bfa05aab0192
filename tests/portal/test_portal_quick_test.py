"""Quick tests: of a file, what is pasted, an address and the camera; heat-map, boxes, and corrections."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from contract_chromium import find_chromium
from playwright.sync_api import Browser, Page, expect
from portal_asked import forget, images_of, mirrored, put_back, stored
from portal_pages import open_page, watched_context
from portal_projects import Filled, PortalServer, scene

from photo_server import photo_server

pytestmark = pytest.mark.slow

_CAMERA = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--no-sandbox",
    "--disable-gpu",
]
_PASTE = """text => {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def flowers(client: Any, garden: Filled) -> Iterator[Filled]:
    """The garden; what a test adds is removed."""
    before = images_of(client, garden.project)
    yield garden
    put_back(client, garden.project, before)
    forget(client, garden.project)


def _file(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> Any:
    return {"name": name, "mimeType": kind, "buffer": data}


def _outcome(page: Page, words: str | re.Pattern[str]) -> Any:
    return page.get_by_role("status").filter(has_text=words)


def test_a_file_is_judged_explained_and_corrected(
    client: Any, flowers: Filled, photos: Sequence[Path], signed_in: Callable[..., Page]
) -> None:
    shown, right = photos[0].parent.name, photos[-1].parent.name
    page = signed_in(path=f"/projects/{flowers.project}/test")
    chooser = page.get_by_label("Choose a photo")
    chooser.set_input_files(_file(b"no photo", "notes.txt", "text/plain"))
    expect(page.get_by_role("alert")).to_contain_text("Expected a photo, received another kind of file.")
    chooser.set_input_files(_file(mirrored(photos[0])))
    expect(_outcome(page, shown)).to_be_visible()
    bars = page.get_by_role("list", name="Tags by probability").get_by_role("listitem")
    expect(bars).to_have_count(len(flowers.tags))
    expect(bars.first).to_contain_text(shown)

    page.get_by_role("button", name="Show where it looked").click()
    expect(
        page.get_by_role("img", name=f"The tested photo, with the parts marked that speak for {shown}")
    ).to_be_visible()
    page.get_by_role("button", name="This was wrong").click()
    page.get_by_role("textbox", name="What is the right tag?").fill(right)
    page.get_by_role("option", name=re.compile(rf"^{right}")).click()
    page.get_by_role("button", name="Add to the training photos").click()
    expect(page.get_by_text(f"Added to the training photos: {right}.")).to_be_visible()
    newest = client.get_images(flowers.project, order_by="Newest", take=1)[0]
    assert newest.id not in {image for some in flowers.images.values() for image in some}
    assert [tag.tag_name for tag in newest.tags] == [right]


def test_photos_are_pasted_and_asked_by_address(
    client: Any, flowers: Filled, photos: Sequence[Path], signed_in: Callable[..., Page]
) -> None:
    pasted, hosted = photos[0], photos[-1]
    page = signed_in(path=f"/projects/{flowers.project}/test")
    expect(page.get_by_label("Choose a photo")).to_be_attached()
    page.evaluate(_PASTE, base64.b64encode(mirrored(pasted)).decode())
    expect(_outcome(page, pasted.parent.name)).to_be_visible()
    with photo_server(mirrored(hosted)) as web:
        address = page.get_by_role("textbox", name="Address of a photo")
        address.fill(f"{web.base}/photo.jpg")
        page.get_by_role("button", name="Test it").click()
        expect(_outcome(page, hosted.parent.name)).to_be_visible()
        assert "/photo.jpg" in web.asked  # by the server: the page asks no other host
        assert len(stored(client, flowers.project)) == 2
        # What the address refuses is said in the API's words, and the address stays.
        address.fill(f"{web.base}/status/404")
        page.get_by_role("button", name="Test it").click()
        expect(page.get_by_role("alert")).to_contain_text("404")
        expect(address).to_have_value(f"{web.base}/status/404")
    page.get_by_role("button", name=re.compile(f"Show again: {pasted.parent.name}")).click()
    expect(_outcome(page, pasted.parent.name)).to_be_visible()


def test_a_photo_that_is_not_kept_leaves_nothing(
    client: Any, flowers: Filled, photos: Sequence[Path], signed_in: Callable[..., Page]
) -> None:
    page = signed_in(path=f"/projects/{flowers.project}/test")
    page.get_by_role("checkbox", name="Keep the photo under Predictions").uncheck()
    page.get_by_label("Choose a photo").set_input_files(_file(mirrored(photos[0])))
    expect(_outcome(page, photos[0].parent.name)).to_be_visible()
    assert stored(client, flowers.project) == []


@pytest.fixture
def filming(browser: Browser, pytestconfig: pytest.Config, portal: PortalServer) -> Iterator[Page]:
    """A page of a browser that has a camera."""
    chromium = find_chromium(pytestconfig)
    with_camera = browser.browser_type.launch(
        executable_path=chromium.path, args=_CAMERA, env={**os.environ, **chromium.variables}
    )
    with watched_context(with_camera, portal.base, permissions=["camera"]) as context:
        yield context.new_page()
    with_camera.close()


def test_the_camera_is_asked(client: Any, flowers: Filled, portal: PortalServer, filming: Page) -> None:
    page = open_page(filming, portal.base, portal.admin_key, f"/projects/{flowers.project}/test")
    page.get_by_role("button", name="Use the camera").click()
    video = page.get_by_label("What the camera sees")
    expect(video).to_have_js_property("paused", False)
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    page.get_by_role("button", name="Test this picture").click()
    expect(page.get_by_role("img", name="The tested photo")).to_be_visible()
    expect(page.get_by_role("list", name="Tags by probability")).to_be_visible()
    page.get_by_role("button", name="Stop the camera").click()
    expect(video).to_have_count(0)
    assert len(stored(client, flowers.project)) == 1


def test_a_detector_shows_boxes_and_gives_them_to_training(
    client: Any, scenes: Filled, signed_in: Callable[..., Page]
) -> None:
    before = images_of(client, scenes.project)
    page = signed_in(path=f"/projects/{scenes.project}/test")
    full = scene("red", (0, 0, 1, 1), (301, 201))
    page.get_by_label("Choose a photo").set_input_files(_file(full, "red.png", "image/png"))
    expect(_outcome(page, "1 × red")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"The tested photo: red \d+ %"))).to_be_visible()
    slider = page.get_by_role("slider", name=re.compile("Show boxes from a probability of"))
    slider.focus()
    for _ in range(4):
        slider.press("ArrowLeft")
    expect(_outcome(page, "2 × red")).to_be_visible()  # one of them was less sure
    page.get_by_role("button", name="Add it and correct the boxes").click()
    page.wait_for_url(re.compile(rf"#/projects/{scenes.project}/images/[0-9a-f-]+"))
    added = images_of(client, scenes.project) - before
    image = client.get_images_by_ids(scenes.project, image_ids=list(added))[0]
    assert [region.tag_name for region in image.regions] == ["red", "red"]
    put_back(client, scenes.project, before)
    forget(client, scenes.project)


def test_a_key_that_may_only_look_is_told_what_it_lacks(
    garden: Filled, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(portal.read_key, f"/projects/{garden.project}/test")
    expect(page.get_by_text("Your key may only look. To test photos here")).to_be_visible()
    expect(page.get_by_label("Choose a photo")).to_have_count(0)
