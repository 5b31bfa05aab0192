from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pipeline_projects import TAGS, Project, succeeded

from dahlia.project import create_project
from dahlia_samples import generate_garden
from shared_graphs import share_graphs

EDGE = 416  # of photos: no edge is under 256, of which validation would warn
FIRST, ALL = 8, 12


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A garden of `ALL` photos a tag."""
    folder = tmp_path_factory.mktemp("photos") / "garden"
    generate_garden(folder, images_per_tag=ALL, size=EDGE)
    return folder


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="session")
def planted(
    tmp_path_factory: pytest.TempPathFactory,
    photos: Path,
    machine: Path,
    warm: Path | None,
    shipped_graphs: Path,
) -> Project:
    """A new project with the first `FIRST` photos of each tag; nothing has run. Copy it, do not change it."""
    project = Project(tmp_path_factory.mktemp("planted") / "garden", machine, warm)
    create_project(project.root)
    share_graphs(project.root, shipped_graphs)
    for tag in TAGS:
        folder = project.root / "data" / "images" / tag
        folder.mkdir()
        for photo in sorted((photos / tag).iterdir())[:FIRST]:
            shutil.copy(photo, folder)
    return project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, planted: Project) -> Project:
    """The project after its first `dvc repro`. Copy it, do not change it."""
    project = planted.copy(tmp_path_factory.mktemp("finished"))
    succeeded(project.dvc("repro"))
    return project


@pytest.fixture(scope="session")
def twice(tmp_path_factory: pytest.TempPathFactory, finished: Project) -> Project:
    """The project with a second iteration, whose export was proven on fewer images."""
    project = finished.copy(tmp_path_factory.mktemp("twice"))
    succeeded(project.dahlia("params", "export.verification_images=8"))
    done = succeeded(project.dvc("repro"))
    (project.root.parent / "output").write_text(done.output)
    return project


@pytest.fixture
def project(tmp_path: Path, finished: Project) -> Project:
    """A finished project to change at will."""
    return finished.copy(tmp_path)
