"""`dvc repro` with files that are not images, and with nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_projects import Project, succeeded

from dahlia.project import create_project

pytestmark = pytest.mark.slow


@pytest.fixture
def flawed(project: Project) -> Project:
    """A finished project to which a photo was added that stops before its end, and a text."""
    images = project.root / "data" / "images"
    whole = (images / "daisy" / "daisy_000.jpg").read_bytes()
    (images / "daisy" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "dahlia" / "text.jpg").write_text("not a photo")
    return project


def test_broken_files_stop_and_are_named(flawed: Project) -> None:
    done = flawed.dvc("repro")
    assert done.code != 0
    assert done.ran == ["ingest", "validate"]
    assert "data/images/daisy/cut.jpg" in done.output
    assert "data/images/dahlia/text.jpg" in done.output
    assert "Traceback" not in done.output
    report = (flawed.root / "reports" / "validation.html").read_text()
    assert "cut.jpg" in report


def test_broken_files_may_be_set_aside(flawed: Project) -> None:
    succeeded(flawed.dahlia("params", "validate=skip"))
    done = succeeded(flawed.dvc("repro", "evaluate"))
    assert "set aside: 2" in done.output
    assert done.ran == ["ingest", "validate", "split"]  # what is left is what was there before


@pytest.mark.parametrize("source", ["data/images", "elsewhere"])
def test_no_images(tmp_path: Path, machine: Path, warm: Path | None, source: str) -> None:
    project = Project(tmp_path / "empty", machine, warm)
    create_project(project.root)
    succeeded(project.dahlia("params", f"ingest.source={source}"))
    done = project.dvc("repro")
    assert done.code != 0
    assert source in done.output
    assert "Traceback" not in done.output
