"""Region proposals: what is answered for any photo, and that a damaged installation is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dahlia.boxes import Boxes, overlaps
from dahlia.dataset.imaging import Pixels
from dahlia.errors import WeightsError
from dahlia.serving import proposals
from dahlia.serving.proposals import GRAPH, LEAST, OVERLAP, SIZE, Proposer, proposed
from dahlia_samples import draw_scene

SHAPES = [(1, 1), (1, 300), (300, 1), (2, 3), (37, 411), (SIZE, SIZE), (900, 600)]


def scene(number: int) -> tuple[Pixels, Boxes]:
    drawn = draw_scene(np.random.default_rng((901, number)), size=320)
    places = [(one.left, one.top, one.width, one.height) for one in drawn.regions]
    count = len(places)
    return drawn.image, Boxes(
        np.zeros(count, np.int32), np.array(places, np.float32).reshape(-1, 4), np.ones(count, np.float32)
    )


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng((height, width)).integers(0, 256, (height, width, 3), np.uint8)


def require_sound(found: Boxes, most: int) -> None:
    assert len(found) <= most
    assert (found.tags == 0).all()
    assert found.places.dtype == found.scores.dtype == np.float32
    assert found.places.shape == (len(found), 4)
    assert ((found.places >= 0) & (found.places <= 1)).all()
    assert (found.places[:, :2] + found.places[:, 2:] <= 1 + 1e-6).all()
    assert (found.places[:, 2:] > 0).all()
    assert ((found.scores >= LEAST) & (found.scores <= 1)).all()
    assert (np.diff(found.scores) <= 0).all()
    shared = overlaps(found.places, found.places) - np.eye(len(found), dtype=np.float32)
    assert (shared <= OVERLAP + 1e-3).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_photos_of_any_shape_are_answered(shape: tuple[int, int]) -> None:
    require_sound(proposed(noise(*shape)), 50)


@pytest.mark.parametrize("most", [0, 1, 7, 50])
def test_no_more_are_answered_than_asked_for(most: int) -> None:
    photo, _ = scene(0)
    found, all_of_them = proposed(photo, most), proposed(photo)
    require_sound(found, most)
    count = min(most, len(all_of_them))
    np.testing.assert_array_equal(found.places, all_of_them.places[:count])


def test_the_same_photo_has_the_same_proposals() -> None:
    photo, _ = scene(1)
    first, second = proposed(photo), Proposer().proposed(photo)
    np.testing.assert_array_equal(first.places, second.places)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_a_grey_photo_has_proposals() -> None:
    photo, truth = scene(2)
    grey = np.repeat(photo.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    found = proposed(grey)
    require_sound(found, 50)
    assert (overlaps(truth.places, found.places).max(1) >= 0.3).mean() >= 0.5


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_of_a_plain_photo_nothing_is_sure(colour: int) -> None:
    found = proposed(np.full((300, 400, 3), colour, np.uint8))
    require_sound(found, 50)
    assert found.scores.max(initial=0) < 0.5


def test_boxes_of_drawn_flowers_are_found_where_fixed_ones_are_not() -> None:
    best = []
    for number in range(10):
        photo, truth = scene(10 + number)
        best += overlaps(truth.places, proposed(photo).places).max(1).tolist()
    assert np.mean(np.array(best) >= 0.5) >= FLOOR


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in GRAPH.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / GRAPH.name


@pytest.mark.parametrize("damage", ["a bit", "cut off", "gone", "no list", "not listed", "no graph"])
def test_a_damaged_installation_is_told(copy: Path, damage: str) -> None:
    digests = copy.with_name(proposals.DIGESTS)
    data = bytearray(copy.read_bytes())
    if damage == "a bit":
        data[-1] ^= 1
        copy.write_bytes(data)
    elif damage == "cut off":
        copy.write_bytes(data[:-1])
    elif damage == "gone":
        copy.unlink()
    elif damage == "no list":
        digests.unlink()
    elif damage == "not listed":
        digests.write_text(digests.read_text().replace(copy.name, "other.onnx"))
    else:
        copy.write_bytes(b"no graph")
        digests.write_text(f"{proposals.sha256_of(copy)}  {copy.name}\n")
    with pytest.raises(WeightsError, match=r"Regions cannot be proposed.*Install Dahlia again") as refused:
        Proposer(copy)
    assert str(copy.parent) not in str(refused.value)


def test_the_shipped_graph_has_its_card_and_terms() -> None:
    names = {path.name for path in GRAPH.parent.iterdir()}
    assert {GRAPH.name, proposals.DIGESTS, "README.md", "LICENSE-Apache-2.0.txt"} <= names
    assert GRAPH.stat().st_size < 5_000_000


@pytest.mark.slow
def test_torch_is_not_needed() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from dahlia.serving.proposals import proposed\n"
        "print(len(proposed(np.zeros((20, 30, 3), np.uint8), 5)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 5


FLOOR = 0.75
"""The same 50 boxes for every photo find 0.55 of them."""
