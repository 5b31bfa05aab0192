"""Exports as `@microsoft/customvision-tfjs` reads them: the package as it is, in Node. Needs npm once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_packages import npm_packages
from dahlia.boxes import Boxes, overlaps, suppressed
from dahlia.export.port import Batch, Source
from dahlia.export.tfjs import port
from dahlia.modeling.detection.reference import load_box_reference
from dahlia.modeling.reference import whole_photos
from programs import find_program
from small_detectors import SIZE, SmallDetector, make_detector

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parent / "customvision_packages"
COUNT = 3  # photos


def ask(config: pytest.Config, folder: Path, kind: str, pixels: Batch) -> list[Any]:
    """What the package answers for (N, 3, S, S) RGB photos, each given as the pixels of a canvas."""
    opaque = np.concatenate([pixels, np.full_like(pixels[:, :1], 255)], 1).transpose(0, 2, 3, 1)
    size = pixels.shape[-1]
    photos = [{"width": size, "height": size, "pixels": one.ravel().astype(int).tolist()} for one in opaque]
    (folder / "photos.json").write_text(json.dumps(photos))
    packages = npm_packages(config, PACKAGES)
    done = subprocess.run(
        [find_program("node"), "client.cjs", str(folder), kind],
        cwd=packages,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Any] = json.loads(done.stdout)
    return answers


def detector_photos(detector: SmallDetector) -> Batch:
    return whole_photos(detector.records[:COUNT], detector.root, SIZE)


def as_boxes(corners: Sequence[Sequence[float]], scores: Sequence[float], classes: Sequence[int]) -> Boxes:
    edges = np.array(corners, np.float32).reshape(-1, 4)
    places = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], 1)
    return Boxes(np.array(classes, np.int32), places, np.array(scores, np.float32))


def test_it_gives_the_boxes_of_s1(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    detector = make_detector(tmp_path / "project", "boxes", photos=COUNT)
    port.write(tmp_path, detector.source(tmp_path / "kept"), "float32")
    answers = ask(pytestconfig, tmp_path, "ObjectDetectionModel", detector_photos(detector))
    reference = load_box_reference(detector.bundle)
    for record, answer in zip(detector.records, answers, strict=True):
        found, expected = as_boxes(*answer), reference.found[reference.ids.index(record.id)]
        assert len(found) == len(expected) > 3
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        sure = np.append(expected.scores[:-1] - expected.scores[1:] > 2e-4, True)
        np.testing.assert_allclose(found.places[sure], expected.places[sure], atol=1e-4)
        np.testing.assert_array_equal(found.tags[sure], expected.tags[sure])


def said_of_a_grid(candidates: Boxes) -> Boxes:
    """What the package makes of a grid: the best tag of each place, ten that overlap by at most 0.5."""
    best: dict[bytes, int] = {}
    for row in np.argsort(-candidates.scores, kind="stable").tolist():
        best.setdefault(candidates.places[row].tobytes(), row)
    places = candidates.where(np.array(list(best.values())))
    one_tag = Boxes(np.zeros(len(places), np.int32), places.places, places.scores)
    kept = suppressed(one_tag, 0.5, 0.0, 10)
    rows = [places.scores.tolist().index(score) for score in kept.scores.tolist()]
    return places.where(np.array(rows))


def test_it_reads_the_grid(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    detector = make_detector(tmp_path / "project", "grid", photos=COUNT)
    port.write(tmp_path, detector.source(tmp_path / "kept"), "float32")
    answers = ask(pytestconfig, tmp_path, "ObjectDetectionModel", detector_photos(detector))
    reference = load_box_reference(detector.bundle)
    for record, answer in zip(detector.records, answers, strict=True):
        expected = said_of_a_grid(reference.candidates[reference.ids.index(record.id)])
        found = as_boxes(*answer)
        assert len(expected) > 3
        # Its anchors are rounded, which may decide on two boxes that overlap by all but one half.
        same = (overlaps(expected.places, found.places) > 0.99) & (expected.tags[:, None] == found.tags[None])
        near = np.abs(expected.scores[:, None] - found.scores[None]) < 1e-4
        assert (same & near).any(1).mean() >= 0.8


def test_it_reads_a_classifier(
    tmp_path: Path, source: Source, pixels: Batch, answers: Batch, pytestconfig: pytest.Config
) -> None:
    port.write(tmp_path, source, "float32")
    said = ask(pytestconfig, tmp_path, "ClassificationModel", pixels[:COUNT])
    np.testing.assert_allclose(np.array(said).reshape(COUNT, -1), answers[:COUNT], atol=1e-4)
