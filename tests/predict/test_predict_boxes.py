"""`dahlia predict` with detectors: a row or an entry for each box."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from fake_detector import FOUND, Output, write_model

from dahlia import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `dahlia predict`: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dahlia", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A red photo and a black one, in the folder of the process."""
    for name, colour in (("red", (0, 0, 255)), ("black", (0, 0, 0))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((48, 64, 3), colour, np.uint8))
    monkeypatch.chdir(tmp_path)
    return "red.png", "black.png"


@pytest.mark.parametrize("card", [True, False], ids=["with a card", "without"])
@pytest.mark.parametrize("output", ["grid", "boxes"])
def test_a_table_of_boxes(
    run: Run, tmp_path: Path, photos: tuple[str, ...], output: Output, card: bool
) -> None:
    write_model(tmp_path / "model", output)
    if not card:
        (tmp_path / "model" / "model.json").unlink()
    code, out, err = run(*photos, "--bundle", "model")
    lines = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert lines[1] == ["Photo", "Tag", "Probability", "Left", "Top", "Width", "Height"]
    by_photo = {line[0]: line[1:] for line in lines[2:]}
    assert by_photo["red.png"] == ["red", "90.0%", "5.0%", "5.0%", "40.0%", "40.0%"]
    assert by_photo["black.png"] == ["none", "of", "these", "98.0%"]
    assert len(lines) == 4, "boxes below one half are left out"


def test_boxes_that_are_less_probable(run: Run, tmp_path: Path, photos: tuple[str, ...]) -> None:
    write_model(tmp_path / "model")
    _, out, _ = run(photos[0], "--bundle", "model", "--threshold", "0.3")
    assert [line.split()[-6:-4] for line in out.splitlines()[2:]] == [["red", "90.0%"], ["red", "40.0%"]]
    _, out, _ = run(photos[0], "--bundle", "model", "--threshold", "0", "--top", "3")
    assert len(out.splitlines()) == 5


@pytest.mark.parametrize("card", [True, False], ids=["with a card", "without"])
def test_boxes_in_json(run: Run, tmp_path: Path, photos: tuple[str, ...], card: bool) -> None:
    write_model(tmp_path / "model", "boxes")
    if not card:
        (tmp_path / "model" / "model.json").unlink()
    code, out, _ = run(photos[0], "--bundle", "model", "--json")
    said = json.loads(out)
    assert code == 0
    assert said["none_of_these"] == pytest.approx(0.1, abs=1e-5)
    assert [round(one["probability"], 4) for one in said["predictions"]] == [0.9, 0.4, 0.02, 0.02]
    first = said["predictions"][0]
    assert list(first["boundingBox"]) == ["left", "top", "width", "height"]
    assert list(first["boundingBox"].values()) == pytest.approx(list(FOUND[0][0]), abs=1e-5)
