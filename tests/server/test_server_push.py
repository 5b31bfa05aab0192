from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import requests
from PIL import Image
from starlette.testclient import TestClient

from dahlia.errors import ConfigError, DahliaError
from dahlia.project import create_project
from dahlia.server.project_folders import Remote, push


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A local project: two tags, a test set, a file that is no image."""
    folder = tmp_path / "fruit"
    create_project(folder)
    for number, name in enumerate(["apple/1.png", "apple/2.png", "pear/1.png", "test/pear/2.png"]):
        path = folder / "data" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 300), (number * 40, 90, 20)).save(path)
    (folder / "data" / "images" / "pear" / "broken.jpg").write_text("not an image")
    return folder


@pytest.fixture
def remote(client: TestClient, key: str, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """Talks to the application without a network."""

    def request(self: requests.Session, method: str, url: str, timeout: float, **options: object) -> object:
        answer = client.request(method, url, headers=dict(self.headers), **options)  # type: ignore[arg-type]
        found = requests.Response()
        found.status_code, found._content = answer.status_code, answer.content
        return found

    monkeypatch.setattr(requests.Session, "request", request)
    return Remote("http://testserver", key)


def test_a_project_arrives_with_its_tags(project: Path, remote: Remote) -> None:
    pushed = push(project, remote)
    assert (pushed.sent, pushed.known, pushed.left_out) == (3, 0, 1)
    assert {path.name: status for path, status in pushed.refused.items()} == {
        "broken.jpg": "ErrorImageFormat"
    }
    made = remote.get(f"/projects/{pushed.project_id}")
    assert (made["name"], made["settings"]["classificationType"]) == ("fruit", "Multiclass")
    tags = {tag["name"]: tag["imageCount"] for tag in remote.get(f"/projects/{pushed.project_id}/tags")}
    assert tags == {"apple": 2, "pear": 1}


@pytest.mark.parametrize(("line", "use"), [("builtin", True), ("none", False), (None, False)])
def test_the_negatives_arrive_as_a_setting(
    project: Path, remote: Remote, line: str | None, use: bool
) -> None:
    params = project / "params.yaml"
    was = "  negatives: builtin\n"
    assert was in params.read_text()
    params.write_text(params.read_text().replace(was, f"  negatives: {line}\n" if line else ""))
    pushed = push(project, remote)
    settings = remote.get(f"/projects/{pushed.project_id}")["settings"]
    assert settings["useNegativeSet"] is use
    params.write_text(params.read_text().replace("negatives: none", "negatives: builtin"))
    push(project, remote, pushed.project_id)
    assert remote.get(f"/projects/{pushed.project_id}")["settings"] == settings, "it is the server's by now"


def test_groups_arrive_as_metadata(project: Path, remote: Remote) -> None:
    rows = ["apple/1.png,apple,plot 2", "apple/2.png,apple,", "pear/1.png,pear,plot 1"]
    (project / "data/images/labels.csv").write_text("\n".join(["file,tag,group", *rows, ""]))
    for extra in ("pear/broken.jpg", "test/pear/2.png"):
        (project / "data/images" / extra).unlink()
    pushed = push(project, remote)
    assert pushed.sent == 3
    images = remote.get(f"/projects/{pushed.project_id}/images")
    found = {(image["tags"][0]["tagName"], image.get("metadata", {}).get("group")) for image in images}
    assert found == {("apple", "plot 2"), ("apple", None), ("pear", "plot 1")}


def test_a_second_push_into_the_same_project_sends_what_is_new(project: Path, remote: Remote) -> None:
    first = push(project, remote)
    Image.new("RGB", (300, 300), (1, 2, 3)).save(project / "data" / "images" / "pear" / "3.png")
    second = push(project, remote, first.project_id)
    assert (second.project_id, second.sent, second.known) == (first.project_id, 1, 3)


def test_photos_of_an_archive_arrive(project: Path, remote: Remote) -> None:
    photos = project / "data" / "images"
    shutil.make_archive(str(project / "data" / "photos"), "zip", photos)
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("source: data/images", "source: data/photos.zip"))
    assert push(project, remote).sent == 3


def test_boxes_only_tag_the_photos_of_a_classifier(project: Path, remote: Remote) -> None:
    rows = [
        "apple/1.png,apple,-0.01,0,0.5,0.5",
        "apple/2.png,apple,0.5,0.5,0.9,0.9",
        "pear/1.png,pear,0,0,0,1",
    ]
    table = "\n".join(["file,tag,left,top,width,height", *rows, ""])
    (project / "data" / "images" / "labels.csv").write_text(table)
    pushed = push(project, remote)
    assert (pushed.sent, pushed.refused) == (3, {})
    tags = {tag["name"]: tag["imageCount"] for tag in remote.get(f"/projects/{pushed.project_id}/tags")}
    assert tags == {"apple": 2, "pear": 1}


def test_boxes_arrive_as_the_regions_of_a_detector(project: Path, remote: Remote) -> None:
    shutil.rmtree(project)
    create_project(project, "detection")
    images = project / "data" / "images"
    for number in range(4):
        Image.new("RGB", (300, 200), (number * 40, 90, 20)).save(images / f"{number}.png")
    rows = ["0.png,apple,-0.005,0,0.5,0.5", "0.png,pear,0.5,0.5,0.25,0.25", "1.png,apple,0.5,0.5,0.9,0.9"]
    table = "\n".join(["file,tag,left,top,width,height", *rows, "2.png,,,,,", "3.png,pear,,,,", ""])
    (images / "regions.csv").write_text(table)
    pushed = push(project, remote)
    assert (pushed.sent, [path.name for path in pushed.refused]) == (3, ["1.png"])
    assert "Expected a region" in next(iter(pushed.refused.values()))
    path = f"/projects/{pushed.project_id}"
    assert remote.get(path)["settings"]["classificationType"] is None
    found = {
        tuple(sorted(tag["tagName"] for tag in image.get("tags", []))): sorted(
            (one["tagName"], one["left"], one["width"]) for one in image.get("regions", [])
        )
        for image in remote.get(f"{path}/images")
    }
    assert found == {
        ("apple", "pear"): [("apple", 0.0, pytest.approx(0.495)), ("pear", 0.5, 0.25)],
        ("pear",): [],
        (): [],
    }


def test_a_wrong_key_says_which_is_wanted(project: Path, remote: Remote) -> None:
    with pytest.raises(ConfigError, match="DAHLIA_TRAINING_KEY"):
        push(project, Remote("http://testserver", "wrong"))


def test_a_server_that_is_not_there(project: Path) -> None:
    with pytest.raises(DahliaError, match="cannot be reached"):
        push(project, Remote("http://127.0.0.1:1", "key"))
