"""From an empty server to a published classifier by clicks, as somebody does who has never seen it."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract_server import RunningServer, running_server
from playwright.sync_api import Browser, Page, expect
from portal_dist import build_portal
from portal_pages import watched_context

from dahlia_samples import generate_garden
from shared_graphs import share_graphs_of_server

pytestmark = pytest.mark.slow

_PER_TAG = 30
_TRAINING_MS = 180_000  # at most; on quiet cores it takes seconds
_DROP = """
(files) => {
  const data = new DataTransfer();
  for (const { name, content } of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  for (const type of ["dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector("main").dispatchEvent(event);
  }
}
"""


class Clock:
    """How long it took, and how much of that somebody waited for the machine."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.waited = 0.0

    @contextmanager
    def machine(self) -> Iterator[None]:
        """What happens in this block is the machine's."""
        began = time.monotonic()
        yield
        self.waited += time.monotonic() - began

    def report(self) -> dict[str, float]:
        """Seconds of all, and those of the machine."""
        return {"all": round(time.monotonic() - self.began, 1), "machine": round(self.waited, 1)}


@pytest.fixture(scope="module")
def two_flowers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("flow") / "photos"
    generate_garden(folder, images_per_tag=_PER_TAG + 1, seed=5, size=300, workers=1)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())[:2]
    return {name: sorted((folder / name).glob("*.jpg")) for name in names}


@pytest.fixture
def empty(tmp_path: Path, shipped_graphs: Path) -> Iterator[RunningServer]:
    build_portal()
    share_graphs_of_server(tmp_path / "home", shipped_graphs)
    with running_server(tmp_path / "home") as server:
        yield server


def test_from_an_empty_server_to_a_published_classifier(
    browser: Browser,
    empty: RunningServer,
    two_flowers: dict[str, list[Path]],
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    link = re.search(r"Open (http\S+)", empty.home.with_suffix(".log").read_text())
    assert link
    with watched_context(browser, empty.base) as context:
        page = context.new_page()
        clock = Clock()
        page.goto(link[1])
        _create_project(page, "Flowers")
        for tag, photos in two_flowers.items():
            _add(page, clock, tag, photos[:_PER_TAG])
        _train(page, clock)
        _look_at_performance(page)
        line = _publish(page, clock)
        figures = clock.report()
        for tag, photos in two_flowers.items():
            assert _ask(line, photos[-1], tmp_path) == tag
    for name, seconds in figures.items():
        record_property(name, seconds)
    print(f"\n{figures['all']} s in all, {figures['machine']} s of them waiting for the machine")


def _create_project(page: Page, name: str) -> None:
    page.get_by_role("button", name="New project").first.click()
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_role("button", name="Create the project").click()
    expect(page).to_have_title(f"Images · {name} · Dahlia")


def _add(page: Page, clock: Clock, tag: str, photos: list[Path]) -> None:
    expect(page.get_by_role("button", name="Add photos", exact=True)).to_be_visible()
    dropped = [
        {"name": photo.name, "content": base64.b64encode(photo.read_bytes()).decode()} for photo in photos
    ]
    page.evaluate(_DROP, dropped)
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("Tag for all of them").last
    field.fill(tag)
    field.press("Enter")
    expect(dialog.get_by_role("button", name=f"Leave out {tag}")).to_be_visible()
    dialog.get_by_role("button", name=f"Add {len(photos)} photos").click()
    with clock.machine():
        expect(page.get_by_text(f"{len(photos)} photos added.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Close the summary").click()


def _train(page: Page, clock: Clock) -> None:
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="Train", exact=True).click()
    with clock.machine():
        expect(page.get_by_role("heading", name="Iteration 1 is trained")).to_be_visible(timeout=_TRAINING_MS)


def _look_at_performance(page: Page) -> None:
    page.get_by_role("link", name="See how good it is").click()
    expect(page).to_have_title("Performance · Flowers · Dahlia")
    expect(page.get_by_text("Precision").first).to_be_visible()


def _publish(page: Page, clock: Clock) -> str:
    """Publish, and read the line that asks."""
    page.get_by_role("tab", name="Publish").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Publish", exact=True).click()
    with clock.machine():
        page.get_by_role("button", name="How to ask it").click(timeout=30_000)
    page.get_by_role("button", name="Make a prediction key").click()
    expect(page.get_by_role("textbox", name="Prediction key")).to_have_value(re.compile(r"\S{20,}"))
    return page.get_by_role("region", name="Lines for curl").inner_text()


def _ask(line: str, photo: Path, folder: Path) -> str:
    """Run the shown line in a folder that has the photo under the name that it takes; the likeliest tag."""
    (folder / "photo.jpg").write_bytes(photo.read_bytes())
    command = [*shlex.split(line.replace("\\\n", " ")), "--silent", "--show-error", "--fail-with-body"]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    found = json.loads(asked.stdout)["predictions"]
    return str(max(found, key=lambda one: one["probability"])["tagName"])
