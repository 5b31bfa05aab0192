from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

from dahlia import layout
from dahlia.dataset.imaging import load
from dahlia.errors import ExportError, TrainingError, VerificationError
from dahlia.export.docker import port
from dahlia.export.docker.process import running
from dahlia.export.docker.usage import PORT
from dahlia.export.port import Batch, Source
from dahlia.modeling.card import load_card
from small_projects import COLOURS, SIZE, SmallProject, photo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(trained_once: SmallProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the small model; to be copied, not changed."""
    place = tmp_path_factory.mktemp("docker")
    bundle = trained_once.root / layout.BUNDLE
    port.write(place / "linux", Source(bundle, load_card(bundle), place / "graphs", list), "linux")
    return place / "linux"


@pytest.fixture
def export(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "docker"))


def test_the_server_answers_as_the_trained_model(
    export: Path, source: Source, pixels: Batch, answers: Batch
) -> None:
    with port.opened(export) as opened:
        received = opened.run(pixels)
        assert opened.labels == tuple(tag.name for tag in source.card.tags)
        assert opened.runtime.startswith("app.py on uvicorn ")
    assert np.abs(received - answers).max() < 1e-5


def test_the_files(export: Path, source: Source, tmp_path: Path) -> None:
    facts = json.loads((export / "app" / "model.json").read_text())
    assert facts["project"] == {"id": source.card.project_id, "name": source.card.project}
    assert [tag["id"] for tag in facts["tags"]] == [tag.id for tag in source.card.tags]
    assert uuid.UUID(facts["iteration"])
    assert {path.name for path in export.iterdir()} == {"Dockerfile", "app"}
    port.write(tmp_path / "arm", source, "arm")
    assert "linux/amd64" in (export / "Dockerfile").read_text()
    assert "linux/arm64" in (tmp_path / "arm" / "Dockerfile").read_text()
    for path in (
        export / "app"
    ).iterdir():  # model.onnx too: what is written again is the same to the last bit
        assert path.read_bytes() == (tmp_path / "arm" / "app" / path.name).read_bytes(), path.name


def test_photos_are_read_as_in_training(export: Path, trained: SmallProject, answers: Batch) -> None:
    with running(export) as server:
        for record, expected in zip(trained.records[:6], answers, strict=False):
            body = (trained.root / record.path).read_bytes()
            _, answer = server._request("POST", "/image", body)
            received = [one["probability"] for one in json.loads(answer)["predictions"]]
            np.testing.assert_allclose(received, expected, atol=1e-5)


def test_usage_runs(export: Path, source: Source, tmp_path: Path) -> None:
    usage = port.usage(source.card, "linux")
    (tmp_path / "photo.jpg").write_bytes(photo(COLOURS["red"], 5))
    with port.opened(export) as opened, running(export) as server:
        lines = usage.lines.replace(f":{PORT}/", f":{server.port}/")
        assert lines != usage.lines
        ended = subprocess.run(
            [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        seen = load((tmp_path / "photo.jpg").read_bytes(), SIZE)
        (row,) = opened.run(seen.transpose(2, 0, 1)[None].astype(np.float32))
    tag, probability = ended.stdout.split()
    assert tag == opened.labels[int(row.argmax())]
    assert float(probability) == pytest.approx(float(row.max()), abs=1e-6)
    assert any("docker build --platform linux/amd64" in note for note in usage.notes)
    assert any("--platform linux/arm64" in note for note in port.usage(source.card, "arm").notes)


def test_stale_labels(export: Path) -> None:
    path = export / "app" / "labels.txt"
    path.write_text("\n".join(reversed(path.read_text().split("\n"))))
    with pytest.raises(VerificationError, match=r"labels\.txt"), port.opened(export):
        pass


def test_swapped_colours(export: Path, pixels: Batch, answers: Batch) -> None:
    path = export / "app" / "model.onnx"
    path.write_bytes(path.read_bytes().replace(b"Bgr8", b"Rgb8"))
    with port.opened(export) as opened:
        assert np.abs(opened.run(pixels) - answers).max() > 1e-4


def test_an_unknown_flavour(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="known: linux, arm"):
        port.write(tmp_path, source, "windows")


def test_a_bundle_that_is_gone(source: Source, tmp_path: Path) -> None:
    shutil.rmtree(source.bundle)
    with pytest.raises(TrainingError):
        port.write(tmp_path / "docker", source, "linux")
