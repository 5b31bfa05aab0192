from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from photo_projects import plant

from dahlia.cli import cli
from dahlia.dataset import inspector
from dahlia.dataset.records import Annotation


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of photos that are decoded; the cache is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: list[str] = []
    inspect = inspector.inspect

    def counted(annotation: Annotation, root: Path, *, max_bytes: int) -> object:
        names.append(annotation.path.name)
        return inspect(annotation, root, max_bytes=max_bytes)

    monkeypatch.setattr(inspector, "inspect", counted)
    return names


def look(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


def as_json(*arguments: str | Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(look(*arguments, "--json").stdout)
    return found


def test_what_would_be_read(tmp_path: Path, decoded: Sequence[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6, test_elm=1) / "data/photos"
    (photos / "Thumbs.db").write_bytes(b"x")
    result = look(photos)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "a folder per tag, and a test set: train 12, test 1 photo; tags ash, elm"
    assert lines[1] == "14 files: 13 with an annotation, 1 passed over"
    table = [line.split() for line in lines]
    assert ["ash", "6", "0"] in table
    assert ["elm", "6", "1"] in table
    assert "few-images: " in result.output
    assert "Thumbs.db" not in result.output
    assert "left behind by a system: Thumbs.db" in look(photos, "--passed-over").output


def test_boxes_are_counted_and_judged_for_detection(tmp_path: Path, decoded: Sequence[str]) -> None:
    photos = plant(tmp_path, ash=8, elm=2) / "data/photos"
    lines = [f"ash/{n}.jpg,ash,0.{n},0.1,0.3,0.5" for n in range(1, 6)]
    table = "\n".join(["file,tag,left,top,width,height", *lines, "ash/0.jpg,,,,,", "elm/0.jpg,elm,,,,"])
    (photos / "regions.csv").write_text(table)
    result = look(photos, "--task", "detection", "--format", "csv")
    heading = "tag training photos training boxes test photos test boxes"
    assert heading in [" ".join(line.split()) for line in result.output.splitlines()]
    assert ["ash", "5", "5", "0", "0"] in [line.split() for line in result.output.splitlines()]
    assert "Photos without objects: 1" in result.output
    assert "tag-without-box: elm/0.jpg: “elm” without a box" in result.output
    assert "unlisted-photo" in result.output
    found = as_json(photos, "--task", "detection", "--format", "csv")
    assert (found["boxes"], found["background"]) == ({"ash": [5, 0]}, 1)
    assert "tag-without-box" not in look(photos, "--format", "csv").output


def test_groups_are_counted(tmp_path: Path, decoded: list[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    for tag, number in (("ash", 0), ("ash", 1), ("elm", 0)):
        (photos / tag / "garden [b]").mkdir(exist_ok=True)
        (photos / f"{tag}/{number}.jpg").rename(photos / f"{tag}/garden [b]/{number}.jpg")
    result = look(photos, "--groups", "folders")
    lines = [line.split() for line in result.output.splitlines()]
    assert "; 3 photos in 1 group" in result.output
    assert ["tag", "training", "test", "groups"] in lines
    assert ["elm", "6", "0", "1"] in lines
    assert "groups-partly: 3 of 12 training images in 1 group" in result.output
    assert as_json(photos)["groups"] is None  # other names, of the same photos
    found = as_json(photos, "--groups", "folders")
    assert found["groups"] == {"groups": 1, "named": 3, "unnamed": 9, "tags": {"ash": 1, "elm": 1}}
    assert len(decoded) == 12


def test_the_second_look_decodes_nothing(tmp_path: Path, decoded: list[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    first = look(photos).output
    assert len(decoded) == 12
    assert look(photos).output == first
    assert len(decoded) == 12
    (photos / "ash/0.jpg").rename(photos / "ash/9.jpg")
    (photos / "elm/0.jpg").write_bytes(b"no image")
    found = look(photos)
    assert decoded[12:] == ["9.jpg", "0.jpg"]
    assert found.exit_code == 1
    assert "not-an-image: elm/0.jpg" in found.output
    (photos / "elm").rename(photos / "oak")
    assert as_json(photos)["tags"] == {"ash": [6, 0], "oak": [5, 0]}


def test_a_file_that_comes_back_is_looked_at(tmp_path: Path, decoded: Sequence[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    rows = [f"{tag}/{number}.jpg,{tag}" for tag in ("ash", "elm") for number in range(6)]
    (photos / "labels.csv").write_text("\n".join(["file,tag", *rows, "ash/9.jpg,ash", ""]))
    assert "missing-file: ash/9.jpg: there is no such file; the nearest is ash/" in look(photos).output
    os.link(photos / "ash/1.jpg", photos / "ash/9.jpg")
    assert "missing-file" not in look(photos).output


def test_an_archive(tmp_path: Path, decoded: Sequence[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in photos.rglob("*.jpg"):
            archive.write(path, path.relative_to(photos.parent))
    assert as_json(tmp_path / "photos.zip")["tags"] == {"ash": [6, 0], "elm": [6, 0]}
    assert as_json(tmp_path / "photos.zip")["tags"] == {"ash": [6, 0], "elm": [6, 0]}
    assert len(decoded) == 12


def test_the_projects_parameters_count(
    tmp_path: Path, decoded: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "project")]).exit_code == 0
    monkeypatch.chdir(tmp_path / "project")
    assert "few-images" in look(photos).output
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("advised_images_per_tag: 50", "advised_images_per_tag: 6"))
    assert "few-images" not in look(photos).output


def test_without_a_cache_it_works(
    tmp_path: Path, decoded: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert look(photos).exit_code == 0
    assert look(photos).exit_code == 0


@pytest.mark.parametrize("kept", [b"", b"\xff\xfe", b"{}", b"x\n{}"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, decoded: Sequence[str], kept: bytes) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    first = look(photos).output
    for path in (tmp_path / "cache").rglob("*.*"):
        path.write_bytes(kept)
    assert look(photos).output == first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "Expected images at"),
        ("empty", "found no folder and 0 files"),
        ("a.txt", "Expected a folder or a"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, decoded: Sequence[str], source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    result = look(tmp_path / source)
    assert result.exit_code
    assert message in str(result.exception)


def test_what_others_put_into_the_cache_is_not_believed(tmp_path: Path, decoded: list[str]) -> None:
    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    first = look(photos).output
    for path in (tmp_path / "cache").rglob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(tmp_path / path.name)
    assert look(photos).output == first
    assert len(decoded) == 24
    assert not any(path.is_symlink() for path in (tmp_path / "cache").rglob("*.*"))


@pytest.mark.parametrize("place", ["", "relative"])
def test_a_user_without_a_home_has_no_cache(
    tmp_path: Path, decoded: Sequence[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    photos = plant(tmp_path, ash=6, elm=6) / "data/photos"
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert look(photos).exit_code == 0
