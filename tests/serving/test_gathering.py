"""`dahlia predictions`: the table, the copies for tagging, and what it says when there is nothing to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kept_predictions import facts_of, plant
from serving_helpers import picture

from dahlia import cli
from dahlia.dataset import readers
from dahlia.serving.stored.gathering import folder_name
from dahlia.serving.stored.reading import read_predictions

NOW = 1_790_000_000.0
SECRET = "\x1b[31m"

Command = Callable[..., object]


@pytest.fixture
def dahlia(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process and give its exit code."""

    def call(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["dahlia", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, and the process in it, at UTC."""
    monkeypatch.delenv("DAHLIA_PREDICTIONS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    return tmp_path


@pytest.fixture
def kept(project: Path) -> Path:
    """A JPEG of a rose, a PNG of a tag that is a path, and a BMP without predictions, a day apart."""
    facts = [
        facts_of("a", "rose", application="kiosk"),
        facts_of("b", "../a/b.txt", application=f"[red]{SECRET}"),
        facts_of("../../c", predictions=None),
    ]
    images = [picture(kind=kind) for kind in ("JPEG", "PNG", "BMP")]
    days = [
        (one, image, NOW + 86400 * day) for day, (one, image) in enumerate(zip(facts, images, strict=True))
    ]
    folder = project / ".dahlia" / "predictions"
    plant(folder, NOW, days)
    (folder / "answers").mkdir()
    return folder


def test_the_table(dahlia: Command, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dahlia("predictions") == 0
    said = capsys.readouterr().out
    assert SECRET not in said
    title, third, second, first = said.splitlines()
    assert title.split() == ["Time", "Name", "Top", "tag", "Probability", "Application"]
    assert first.split()[2:] == ["v1", "rose", "75.0%", "kiosk"]
    assert second.split()[2:] == ["v1", "../a/b.txt", "75.0%", "[red]�[31m"]
    assert third.split()[2:] == ["v1"]


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [(("--limit", "2"), 2), (("--since", "2026-09-22"), 2), (("--since", "2026-09-23"), 1)],
)
def test_fewer_rows(
    dahlia: Command, kept: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], rows: int
) -> None:
    assert dahlia("predictions", *arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == rows + 1


def test_twenty_rows_unless_asked(dahlia: Command, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(project / ".dahlia" / "predictions", NOW, [(facts_of(str(n)), b"x", NOW + n) for n in range(30)])
    assert dahlia("predictions") == 0
    assert len(capsys.readouterr().out.splitlines()) == 21


def test_copies_for_tagging(dahlia: Command, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dahlia("predictions", "--to", "seen") == 0
    assert capsys.readouterr().out == "seen: 3 images and predictions.jsonl\n"
    facts = [json.loads(line) for line in Path("seen/predictions.jsonl").read_text().splitlines()]
    assert [one.pop("file") for one in facts] == [
        "rose/a.jpg",
        "%2E%2E%2Fa%2Fb%2Etxt/b.png",
        "%/%2E.%2F..%2Fc.bmp",
    ]
    stored = list(read_predictions(kept))
    assert facts == [one.facts for one in stored]
    assert Path("seen/rose/a.jpg").read_bytes() == stored[0].image()
    assert len([path for path in Path("seen").rglob("*") if path.is_file()]) == 4
    Path("seen/predictions.jsonl").unlink()
    tags = [annotation.tags for annotation in readers.read(Path("seen"), "folder").annotations]
    assert ("rose",) in tags
    assert len(tags) == 3


def test_copies_with_boxes(dahlia: Command, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def found(tag: str, probability: float) -> dict[str, object]:
        box = {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
        return {"tagName": tag, "probability": probability, "boundingBox": box}

    kept = [
        facts_of("a", predictions=[found("rose, red", 0.9), found("daisy", 0.4), found("daisy", 0.6)]),
        facts_of("b", predictions=[found("daisy", 0.1)]),
        facts_of("c", predictions=[]),
    ]
    images = [(one, picture(kind="JPEG"), NOW + at) for at, one in enumerate(kept)]
    plant(project / ".dahlia" / "predictions", NOW, images)
    assert dahlia("predictions", "--to", "seen") == 0
    assert capsys.readouterr().out == "seen: 3 images, regions.csv and predictions.jsonl\n"
    names = ["a.jpg", "b.jpg", "c.jpg", "predictions.jsonl", "regions.csv"]
    assert sorted(path.name for path in Path("seen").iterdir()) == names, "side by side, without folders"
    reading = readers.read(Path("seen"))
    assert reading.format == "csv"
    assert reading.unlabelled == ()
    boxes = {one.path.name: [region.tag for region in one.regions] for one in reading.annotations}
    assert boxes == {"a.jpg": ["rose, red", "daisy"], "b.jpg": [], "c.jpg": []}


def test_copies_where_no_photo_has_boxes(dahlia: Command, project: Path) -> None:
    kept = [(facts_of(name, predictions=[]), picture(kind="JPEG"), NOW) for name in ("a", "b")]
    plant(project / ".dahlia" / "predictions", NOW, kept)
    assert dahlia("predictions", "--to", "seen") == 0
    assert Path("seen/regions.csv").read_text().splitlines()[1:] == ["a.jpg,,,,,", "b.jpg,,,,,"]
    assert [one.regions for one in readers.read(Path("seen")).annotations] == [(), ()]


def test_fewer_copies(dahlia: Command, kept: Path) -> None:
    assert dahlia("predictions", "--to", "seen", "--limit", "1", "--from", str(kept)) == 0
    assert len(Path("seen/predictions.jsonl").read_text().splitlines()) == 1


def test_damaged_images_are_left_out(dahlia: Command, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment = next(kept.glob("*.segment"))
    segment.write_bytes(segment.read_bytes()[:-1] + b"\xff")
    assert dahlia("predictions", "--to", "seen") == 0
    assert "seen: 2 images and predictions.jsonl; 1 skipped, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "2027-01-01"), "found none since then; leave out `--since`."),
        (("--since", "yesterday"), "'yesterday' does not match the formats"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("--from", "elsewhere"), "Expected predictions in elsewhere, found none yet."),
        (("--to", "."), "Expected a new or empty folder, received ."),
        (("--to", "params.yaml"), "Expected a new or empty folder, received params.yaml."),
    ],
)
def test_what_cannot_be_done(
    dahlia: Command,
    kept: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert dahlia("predictions", *arguments) == 2
    assert message in capsys.readouterr().err


def test_nothing_kept(dahlia: Command, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dahlia("predictions", "--to", "seen") == 2
    assert (
        "Expected predictions in .dahlia/predictions, found none yet. The service" in capsys.readouterr().err
    )
    assert not Path("seen").exists()


def test_outside_a_project(dahlia: Command, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").unlink()
    assert dahlia("predictions") == 2
    assert "params.yaml was expected and is not there." in capsys.readouterr().err
    assert dahlia("predictions", "--from", str(kept)) == 0


def test_the_environment_names_the_folder_as_for_the_service(
    dahlia: Command, kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAHLIA_PREDICTIONS", str(kept.rename(tmp_path / "other")))
    assert dahlia("predictions") == 0


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("rose", "rose"),
        ("Löwenzahn 50 %", "Löwenzahn 50 %25"),
        ("train", "train"),
        ("test", "%74est"),
        ("Test", "Test"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("e\u0301", "é"),
        ("notes.txt", "notes%2Etxt"),
        ("README", "%52EADME"),
        ("No. 5", "No. 5"),
        ("etc.", "etc%2E"),
        ("Con", "%43on"),
        ("a\0\x1b\ud800", "a%00%1B%ED%A0%80"),
        ("", "%"),
    ],
)
def test_names_of_folders(tag: str, name: str) -> None:
    assert folder_name(tag) == name


def test_long_names_of_folders_differ() -> None:
    names = [folder_name("ä" * 300 + end) for end in ("a", "b")]
    assert names[0] != names[1]
    assert all(len(name.encode()) < 200 and name.startswith("ä" * 50) for name in names)
