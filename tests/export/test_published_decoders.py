"""Our grid, read in the two ways in which published programs read grids, and by the script of our zips."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from published_decoders import ANCHORS, ROUNDED, Read, read_as_the_samples, read_as_the_zips, shared

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

import fake_detector
from fake_detector import ALWAYS, FOUND, GIVEN, SIZE
from fake_project import TAGS

from dahlia.export.zip_scripts.object_detection import decode_grid, suppress

CELLS = 2


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> npt.NDArray[np.float32]:
    """What a detector answers that finds what is in `FOUND`."""
    folder = tmp_path_factory.mktemp("grid")
    fake_detector.write_model(folder, "grid")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    white = np.full((1, 3, SIZE, SIZE), 255, np.float32)
    return np.asarray(session.run(["model_outputs0"], {"data": white})[0])


def test_the_scripts_of_the_zips_read_the_right_boxes(grid: Any) -> None:
    found = read_as_the_zips(grid, len(TAGS), ALWAYS / 2, 0.45)
    assert sorted(TAGS[one.tag] for one in found) == sorted(GIVEN)
    for (left, top, width, height), tag, score in FOUND:
        expected = Read(TAGS.index(tag), score, left, top, left + width, top + height)
        same = [one for one in found if one.tag == expected.tag and shared(one, expected) > 0.999]
        suppressed = [one for one in found if one.score > score and shared(one, expected) > 0.45]
        assert same or suppressed, tag
        assert not same or same[0].score == pytest.approx(score, abs=1e-5)


def test_the_samples_move_boxes_within_and_beyond_their_cells(grid: Any) -> None:
    """Their tags, scores and sizes are right. A centre at the share u of its cell is read as logit(u)."""
    right = read_as_the_zips(grid, len(TAGS), ALWAYS / 2, 1)
    moved = read_as_the_samples(grid, len(TAGS), ALWAYS / 2, 1)
    assert len(right) == len(moved) >= len(FOUND)
    off = []
    for one, other in zip(right, moved, strict=True):
        assert (one.tag, one.score) == (other.tag, other.score)
        assert one.right - one.left == pytest.approx(other.right - other.left)
        assert one.bottom - one.top == pytest.approx(other.bottom - other.top)
        for start, end, read in ((one.left, one.right, other.left), (one.top, one.bottom, other.top)):
            inside = (start + end) / 2 * CELLS % 1
            by = (read - start) * CELLS
            assert by == pytest.approx(math.log(inside / (1 - inside)) - inside, abs=1e-3)
            off.append(abs(by))
    assert max(off) > 0.5
    assert min(map(shared, right, moved)) < 0.5


def test_the_script_of_our_zips_reads_what_those_of_custom_vision_read(grid: Any) -> None:
    theirs = read_as_the_zips(grid, len(TAGS), ALWAYS / 2, 0.45)
    for given in (grid, grid[0], grid.transpose(0, 2, 3, 1)):
        centres, edges, scores = decode_grid(given, np.array(ANCHORS, np.float32).reshape(5, 2), len(TAGS))
        corners = np.concatenate([centres - edges / 2, centres + edges / 2], 1)
        places, tags, chances = suppress(corners, scores, 0.45, ALWAYS / 2, 64)
        np.testing.assert_allclose(places, [one[2:] for one in theirs], atol=1e-5)
        np.testing.assert_allclose(chances, [one.score for one in theirs], atol=1e-5)
        assert tags.tolist() == [one.tag for one in theirs]


def test_the_rounded_anchors_of_samples_are_as_good() -> None:
    assert np.abs(np.array(ROUNDED) / np.array(ANCHORS) - 1).max() < 0.003
