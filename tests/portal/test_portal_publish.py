"""Publishing by clicks, moving a name and back; and the shown lines, run as they are shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from contract_projects import detecting_project
from playwright.sync_api import Locator, Page, expect
from portal_asked import forget, mirrored
from portal_iterations import add_detector
from portal_projects import PUBLISHED, Filled, PortalServer, scene

from photo_server import photo_server
from programs import find_program

pytestmark = pytest.mark.slow

_EXAMPLE = "https://example.com/photo.jpg"


def _published(client: Any, project: str) -> dict[str, str]:
    found = client.get_iterations(project)
    return {one.publish_name: one.name for one in found if one.publish_name}


def _row(page: Page, iteration: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=iteration, exact=True))


def _publish(page: Page, iteration: str, name: str, button: str = "Publish") -> None:
    _row(page, iteration).get_by_role("button", name="Publish", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill(name)
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_name_is_published_moved_and_moved_back(
    client: Any, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    made = detecting_project(client, portal, "Lamps")
    add_detector(portal, made.project)
    first, second = (one.name for one in client.get_iterations(made.project))
    if first == second:
        client.update_iteration(made.project, client.get_iterations(made.project)[1].id, name="Better lamps")
        second = "Better lamps"

    def answers() -> int:
        path = f"customvision/v3.0/Prediction/{made.project}/detect/iterations/production/image/nostore"
        headers = {"Prediction-Key": portal.prediction_key, "Content-Type": "application/octet-stream"}
        photo = scene("red", (0, 0, 1, 1))
        return requests.post(f"{portal.base}/{path}", photo, headers=headers, timeout=60).status_code

    page = signed_in(path=f"/projects/{made.project}/publish")
    assert answers() == 404
    _row(page, first).get_by_role("button", name="Publish", exact=True).click()
    name = page.get_by_role("dialog").get_by_role("textbox", name="Name")
    name.fill(" ")
    expect(page.get_by_role("dialog").get_by_role("button", name="Publish", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    _publish(page, first, "production")
    expect(_row(page, first)).to_contain_text("published as production")
    assert answers() == 200

    _publish(page, second, "production", "Move the name here")
    expect(_row(page, second)).to_contain_text("published as production")
    expect(_row(page, first)).not_to_contain_text("published as")
    assert _published(client, made.project) == {"production": second}
    _publish(page, first, "production", "Move the name here")
    expect(_row(page, first)).to_contain_text("published as production")
    assert _published(client, made.project) == {"production": first}
    assert answers() == 200

    _row(page, first).get_by_role("button", name="Unpublish").click()
    page.get_by_role("dialog").get_by_role("button", name="Unpublish").click()
    expect(_row(page, first)).not_to_contain_text("published as")
    assert answers() == 404
    client.delete_project(made.project)


def test_the_lines_answer_as_they_are_shown(
    client: Any, garden: Filled, photos: Sequence[Path], signed_in: Callable[..., Page], tmp_path: Path
) -> None:
    photo, tag = mirrored(photos[0]), photos[0].parent.name
    (tmp_path / "photo.jpg").write_bytes(photo)
    page = signed_in(path=f"/projects/{garden.project}/publish")
    page.get_by_role("button", name="How to ask it").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Make a prediction key").click()
    expect(dialog.get_by_text("Copy the key now")).to_be_visible()
    key = dialog.get_by_role("textbox", name="Prediction key").input_value()
    dialog.get_by_role("checkbox", name="Do not keep the photos").check()

    lines = _all_lines(page, dialog)
    assert all(key in text and garden.project in text for text in lines.values())
    assert _bests(_answers(lines, tmp_path)) == dict.fromkeys(
        ("curl", "Python", "Python SDK", "JavaScript"), tag
    )
    csharp = lines["C#"]
    address = dialog.get_by_role("textbox", name="Address").input_value()
    assert f'DefaultRequestHeaders.Add("Prediction-Key", "{key}")' in csharp
    assert f'client.PostAsync("{address}", content)' in csharp
    assert address.endswith(f"/classify/iterations/{PUBLISHED}/image/nostore")

    dialog.get_by_text("A photo's address").click()
    expect(dialog.get_by_role("textbox", name="Address")).to_have_value(address.replace("/image/", "/url/"))
    with photo_server(photo) as web:
        shown = _all_lines(page, dialog)
        hosted = {name: text.replace(_EXAMPLE, f"{web.base}/photo.jpg") for name, text in shown.items()}
        assert all(hosted[name] != shown[name] for name in shown)
        assert set(_bests(_answers(hosted, tmp_path)).values()) == {tag}
    forget(client, garden.project)


def _all_lines(page: Page, dialog: Locator) -> dict[str, str]:
    found = {}
    for language in ("curl", "Python", "Python SDK", "JavaScript", "C#"):
        dialog.get_by_role("tab", name=language, exact=True).click()
        shown = dialog.get_by_role("region", name=f"Lines for {language}", exact=True)
        found[language] = shown.inner_text()
    return found


def _answers(lines: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the lines print, run in a folder with `photo.jpg`."""
    (folder / "ask.py").write_text(lines["Python"])
    (folder / "sdk.py").write_text(lines["Python SDK"])
    (folder / "ask.mjs").write_text(lines["JavaScript"])
    commands = {
        "curl": ["sh", "-c", lines["curl"]],
        "Python": [sys.executable, "ask.py"],
        "Python SDK": [sys.executable, "sdk.py"],
        "JavaScript": [find_program("node"), "ask.mjs"],
    }
    said = {}
    for name, command in commands.items():
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        said[name] = done.stdout
    return said


def _bests(said: Mapping[str, str]) -> dict[str, str]:
    """The tag with the greatest probability that each printed."""
    answer = json.loads(said["curl"])["predictions"]
    bests = {"curl": max(answer, key=lambda one: one["probability"])["tagName"]}
    for name, text in said.items():
        if name != "curl":
            rows = [line.rsplit(" ", 1) for line in text.splitlines()]
            bests[name] = max(rows, key=lambda row: float(row[1]))[0]
    return bests


def test_a_key_that_may_only_look_publishes_nothing(
    garden: Filled, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(portal.read_key, f"/projects/{garden.project}/publish")
    page.get_by_role("button", name="How to ask it").click()
    expect(page.get_by_role("dialog").get_by_text("keys are made by administrators")).to_be_visible()
    page.keyboard.press("Escape")
    for name in ("Publish", "Unpublish", "Other name"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
