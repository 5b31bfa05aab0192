"""The lines of the README of a detector's TensorFlow.js export, run in Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from client_packages import npm_packages
from dahlia.export.port import write_labels
from dahlia.export.tfjs import port
from dahlia.modeling.detection.reference import load_box_reference
from small_detectors import TAGS, Output, make_detector

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parent / "readme_packages"


@pytest.mark.parametrize("output", ["boxes", "grid"])
def test_the_lines_of_the_readme_find_boxes(
    tmp_path: Path, output: Output, pytestconfig: pytest.Config
) -> None:
    detector = make_detector(tmp_path / "project", output, photos=2)
    source = detector.source(tmp_path / "kept")
    port.write(tmp_path, source, "float32")
    write_labels(tmp_path, source.card)
    record = detector.records[1]
    shutil.copy(detector.root / record.path, tmp_path / "photo.jpg")
    shutil.copy(PACKAGES / "package.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(npm_packages(pytestconfig, PACKAGES) / "node_modules")
    (tmp_path / "photo.mjs").write_text(port.usage(source.card, "float32").lines, encoding="utf-8")
    done = subprocess.run(["node", "photo.mjs"], cwd=tmp_path, check=True, capture_output=True, text=True)
    reference = load_box_reference(detector.bundle)
    expected = reference.found[reference.ids.index(record.id)]
    pixels = np.array([record.width, record.height] * 2)
    said = [line.split() for line in done.stdout.splitlines()]
    assert len(said) > 3
    for tag, score, *place in said:
        # Two decoders of JPEG differ by a step of a colour here and there.
        rows = np.flatnonzero(np.abs(expected.scores - float(score)) < 0.02)
        off = np.abs(expected.places[rows] * pixels - np.array(place, float)).max(1)
        assert tag in [TAGS[one] for one in expected.tags[rows[off <= 2]]], (tag, score, place)
